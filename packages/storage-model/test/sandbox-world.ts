import { buildWorld, type World } from "@cscs/sandbox"
import { dashedUuid, decodeResources, type GidAnswer, type HierarchyInput, isGid } from "../src/index.ts"
import { settingsWith } from "./a-tree.ts"

/** The sandbox's world with one labelled resource for each odd thing that the contract names. */
export const sandboxWorld: World = buildWorld()

/** All that the tree of that world is made of, as a refresh would have it. */
export const sandboxInput: HierarchyInput = {
  decoded: decodeResources(sandboxWorld.resources),
  customers: new Map(
    [...sandboxWorld.customersByOffering].map(([uuid, list]) => [
      dashedUuid(uuid) ?? "",
      list.map(({ uuid, slug, name }) => ({ uuid: String(uuid), slug: String(slug), name: String(name) })),
    ]),
  ),
  gids: new Map(
    sandboxWorld.resources.map(({ project_slug }) => [
      String(project_slug),
      answerOf(sandboxWorld.gids.get(String(project_slug))),
    ]),
  ),
  settings: settingsWith(),
}

/** What the client of the HPC User API makes of what it sends. */
function answerOf(sent: unknown): GidAnswer {
  const values = new Set(Array.isArray(sent) ? sent : [sent])
  const [gid] = values
  return values.size === 1 && isGid(gid, settingsWith())
    ? { status: "known", gid }
    : { status: "unknown", reason: "the HPC User API has no usable GID" }
}

import { buildWorld, type World } from "@cscs/sandbox"
import {
  dashedUuid,
  decodeResources,
  defaultModelSettings,
  type HierarchyInput,
  isGid,
  type ProjectGid,
} from "../src/index.ts"
import { settingsWith } from "./a-tree.ts"

/** The sandbox's world, with one labelled resource for each anomaly in the contract. */
export const sandboxWorld: World = buildWorld()

/** All inputs of that world's tree, as a refresh would have them. */
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
  settings: settingsWith({ waldurApiUrl: sandboxWorld.apiUrl }),
}

/** The response of the HPC User API as its client decides it, apart from the wording of the reason. */
function answerOf(sent: unknown): ProjectGid {
  const values = new Set((Array.isArray(sent) ? sent : [sent]).filter((value) => value !== null && value !== undefined))
  const [gid] = values
  return values.size === 1 && isGid(gid, defaultModelSettings)
    ? { status: "known", gid }
    : { status: "unknown", reason: "the HPC User API has no usable GID" }
}

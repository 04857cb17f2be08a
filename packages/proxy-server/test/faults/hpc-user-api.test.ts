import type { Sandbox } from "@cscs/sandbox"
import { rowOf } from "../a-world.ts"
import { fourCases } from "./four-cases.ts"
import { fewFaults, handledAs, only, someFaults } from "./the-faults.ts"

/** A new project: known GIDs are not looked up again. */
const newProject = ({ world }: Sandbox) => {
  const added = { ...rowOf(world, 9), uuid: `${"0".repeat(31)}1`, slug: "added", project_slug: "newcomer" }
  world.resources.push(added)
  world.gids.set("newcomer", 46_000)
  return () => {
    world.resources.splice(world.resources.indexOf(added), 1)
    world.gids.delete("newcomer")
  }
}

fourCases("the HPC User API", {
  rows: [...someFaults, ...only("401", "404", "half a response, then nothing", "bytes that are not text")],
  where: { upstream: "hpcUserApi", path: /./ },
  upstream: "hpc_user_api",
  breaker: "hpc-user-api",
  otherBreaker: "hpc-user-api-token",
  happens: newProject,
  renewed: ["401", "401 that echoes our request"],
  patience: { repeated: [4.5, 1.5, 5], reported: [0.5, 0.5, 2], awaited: [106, 22, 5] },
})

fourCases("the HPC User API's token endpoint", {
  rows: handledAs([...fewFaults, ...only("an empty body", "403", "429")], { "an empty body": "repeated" }),
  where: { upstream: "issuer", path: /\/token$/ },
  upstream: "hpc_user_api",
  breaker: "hpc-user-api-token",
  otherBreaker: "hpc-user-api",
  opensBy: ["an empty body"],
  isAskedAhead: true,
  reported: /\/openid-connect\/token.*"event":"refresh-failed"/,
  happens: (sandbox) => {
    const back = newProject(sandbox)
    // Earlier than its response announced: the API refuses the token, and a new one is needed.
    sandbox.hpcUserApi.revokeTokens()
    return back
  },
  patience: { repeated: [4.5, 1.5, 10], reported: [0.5, 0.5, 3], awaited: [106, 22, 10] },
})

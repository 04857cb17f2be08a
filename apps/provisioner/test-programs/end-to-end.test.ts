import { statSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { aProgram } from "./a-program.ts"

test("the executable makes the demo's directories and completes its orders, and then has nothing to do", async () => {
  const { sandbox, root, exitOf, hasDirectories } = await aProgram()
  expect(await exitOf("plan")).toBe(2)
  expect(hasDirectories()).toBe(false)
  expect(await exitOf("apply")).toBe(0)
  expect(await exitOf("plan")).toBe(0)
  const states = new Map(sandbox.world.resources.map(({ slug, state }) => [slug, state]))
  expect([states.get("capstor-phylo-flu"), states.get("capstor-nanoribbons")]).toEqual(["OK", "Terminated"])
  expect(statSync(join(root("capstor"), "store/cscs/sib/phylo-flu")).gid).toBe(31_024)
})

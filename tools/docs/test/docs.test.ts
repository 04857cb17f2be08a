import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { run } from "@cscs/harness"
import { expect, onTestFinished, test } from "vitest"
import { expressionsOf, faultOf } from "../src/regexes.ts"

const script = join(import.meta.dirname, "../src/write-configuration-reference.ts")

test("write-configuration-reference writes the table, and --check detects a stale one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "docs-"))
  onTestFinished(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, "docs"))
  const [mark, endMark] = [
    `<!-- settings: written by tools/docs/src/${basename(script)} -->`,
    "<!-- end of settings -->",
  ]
  const page = (table: string) => `Before.\n\n${mark}\n\n${table}\n\n${endMark}\n\nAfter.\n`
  await writeFile(join(folder, "docs/configuration.md"), page("old"))
  const write = (...args: ReadonlyArray<string>) => run(process.execPath, [script, ...args], { cwd: folder })
  await write()
  expect(await write("--check")).toBe("")
  await writeFile(join(folder, "docs/configuration.md"), page("old"))
  await expect(write("--check")).rejects.toThrow(/docs\/configuration.md is stale/)
})

test("check-regexes finds superlinear and unknown regular expressions, and assigns each safe-regex comment to its expression", async () => {
  // The first two once blocked the process; the third is linear.
  const { expressions, idle } = expressionsOf(
    "sample.ts",
    String.raw`
const a = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const b = new RegExp("\\/*$")
const c = /^[a-z]+$/
const d = (word: string): RegExp => RegExp(word)
// safe-regex: at most ten characters
const e = /\s*$/
// safe-regex: of nothing
const f = 1
`,
  )
  const faults = await Promise.all(expressions.map(async (one) => (await faultOf(one)) !== undefined))
  expect(faults).toEqual([true, true, false, true, true])
  expect(expressions.map(({ isJustified }) => isJustified)).toEqual([false, false, false, false, true])
  expect(idle.map(({ line }) => line)).toEqual([8])
})

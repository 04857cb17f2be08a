import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "@cscs/harness"
import { expect, onTestFinished, test } from "vitest"

const script = join(import.meta.dirname, "../src/write-configuration-reference.ts")

test("the configuration reference is written, found to be current, and found to be stale", async () => {
  const folder = await mkdtemp(join(tmpdir(), "docs-"))
  onTestFinished(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, "docs"))
  const write = (...args: ReadonlyArray<string>) => run(process.execPath, [script, ...args], { cwd: folder })
  await write()
  expect(await write("--check")).toBe("")
  await writeFile(join(folder, "docs/configuration.md"), "old")
  await expect(write("--check")).rejects.toThrow(/docs\/configuration.md is stale/)
})

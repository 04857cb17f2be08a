import { execFile } from "node:child_process"
import { chmod, mkdir, readdir, symlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { expect, inject, test } from "vitest"
import { aDirectory } from "./a-process.ts"

/** The executable as npx runs it: through a link, by its first line. */
const runLinked = async (args: ReadonlyArray<string>, environment: Record<string, string>) => {
  const link = join(await aDirectory(), "storage-proxy")
  await symlink(inject("main"), link)
  const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, ...environment }
  return (await promisify(execFile)(link, [...args], { env })).stdout
}

test("the executable starts Node with a small heap and without a signal for the inspector", async () => {
  const script = encodeURIComponent("process.stdout.write(process.execArgv.join())")
  const output = await runLinked(["--version"], { NODE_OPTIONS: `--import=data:text/javascript,${script}` })
  expect(output).toMatch(
    /^--disable-sigusr1,--v8-pool-size=1,--min-semi-space-size=\d+,--max-semi-space-size=\d+,--initial-old-space-size=\d+,--heap-growing-percent=\d+storage-proxy v/,
  )
})

test.for([
  { mode: 0o700, name: "a home that only its owner can write", keeps: true },
  { mode: 0o770, name: "a home that the group can write", keeps: false },
  { mode: 0o777, name: "a home that everyone can write", keeps: false },
])("whether compiled code is kept in $name: $keeps", async ({ mode, keeps }) => {
  const home = await aDirectory()
  await chmod(home, mode)
  await runLinked(["--version"], { HOME: home })
  expect((await readdir(home, { recursive: true })).length > 2).toBe(keeps)
})

test("compiled code is not kept in a cache directory that others can write", async () => {
  const home = await aDirectory()
  const cache = join(home, ".cache")
  await mkdir(cache)
  await chmod(cache, 0o777)
  await runLinked(["--version"], { HOME: home })
  expect(await readdir(cache)).toEqual([])
})

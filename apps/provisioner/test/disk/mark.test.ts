import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter } from "node:path"
import { Effect, Exit } from "effect"
import { expect, onTestFinished, test } from "vitest"
import { openAbsolute } from "../../src/disk/directory.ts"
import { readMark } from "../../src/disk/mark.ts"

/** Reads a mark with this program in place of `getfattr`. */
const readWith = (script: string) => {
  const folder = mkdtempSync(`${tmpdir()}/mark-`)
  const path = process.env.PATH
  onTestFinished(() => {
    process.env.PATH = path
    rmSync(folder, { recursive: true })
  })
  writeFileSync(`${folder}/getfattr`, `#!/bin/sh\n${script}\n`)
  chmodSync(`${folder}/getfattr`, 0o755)
  process.env.PATH = `${folder}${delimiter}${path}`
  return Effect.runPromiseExit(
    Effect.scoped(
      Effect.flatMap(openAbsolute(folder), (directory) =>
        directory === null ? Effect.die("it was just made") : readMark(directory),
      ),
    ),
  )
}

test.each(["No such attribute", "Operation not supported"])(
  "a directory of which getfattr reports %j has no mark",
  async (message) => {
    expect(await readWith(`echo "/proc/self/fd/3/.: ${message}" >&2; exit 1`)).toEqual(Exit.succeed(null))
  },
)

test("a mark that cannot be read because of another error may exist: the outcome is unknown", async () => {
  const read = await readWith('echo "/proc/self/fd/3/.: Input/output error" >&2; exit 1')
  expect(Exit.isFailure(read) && JSON.stringify(read.cause)).toContain("UnknownOutcome")
})

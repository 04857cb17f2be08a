import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { setImmediate } from "node:timers/promises"
import { Effect } from "effect"
import { expect, onTestFinished, test } from "vitest"
import { openDriver } from "../../src/drivers/open-driver.ts"
import { driverContract, group } from "./contract.ts"

driverContract("directory", async () => {
  const folder = mkdtempSync(`${tmpdir()}/driver-`)
  const [root, registry] = [`${folder}/root`, `${folder}/registry`]
  await mkdir(root, { mode: 0o755 })
  return {
    root,
    registry,
    open: openDriver({ type: "directory", root, registry }),
    tamper: (path) => {
      const lines = readFileSync(registry, "utf8").split("\n").slice(0, -1)
      const line = lines.findLast((one) => one.includes(`"${path}"`)) ?? "{}"
      const record = { ...JSON.parse(line), quotas: { spaceHard: "1" } }
      writeFileSync(registry, `${[...lines, JSON.stringify(record)].join("\n")}\n`)
    },
    close: () => rmSync(folder, { recursive: true }),
  }
})

/** The usage of a project's directory, while `meanwhile` changes it. */
const usageOf = (prepare: (path: string) => void, meanwhile: (path: string) => Promise<void>) => {
  const folder = mkdtempSync(`${tmpdir()}/driver-`)
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [root, registry] = [`${folder}/root`, `${folder}/registry`]
  mkdirSync(root, { mode: 0o755 })
  const item = { itemId: "00000000-0000-4000-8000-000000000001", path: `${root}/a` }
  return Effect.gen(function* () {
    const driver = yield* openDriver({ type: "directory", root, registry })
    yield* driver.ensureDirectory({ ...item, gid: group, mode: 0o770, quotas: null })
    prepare(item.path)
    const [used] = yield* Effect.all([driver.usage(item), Effect.promise(() => meanwhile(item.path))], {
      concurrency: "unbounded",
    })
    return used
  }).pipe(Effect.scoped, Effect.runPromise)
}

test("usage counts a file and a directory whose names are not UTF-8", async () => {
  const name = Buffer.from("/caf\xe9", "latin1")
  const used = await usageOf(
    (path) => {
      const directory = Buffer.concat([Buffer.from(path), name])
      mkdirSync(directory)
      writeFileSync(Buffer.concat([directory, name]), "a")
    },
    async () => {},
  )
  expect(used.inodes).toBe(3n)
})

test("usage is the rest if files are removed during the walk", async () => {
  const names = Array.from({ length: 3000 }, (_, index) => `/${index}`)
  const used = await usageOf(
    (path) => {
      for (const name of names) writeFileSync(`${path}${name}`, "")
    },
    async (path) => {
      for (const name of names) {
        rmSync(`${path}${name}`)
        await setImmediate()
      }
    },
  )
  expect(used.inodes).toBeLessThanOrEqual(3001n)
})

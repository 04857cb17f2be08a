import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { join } from "node:path"
import { Effect } from "effect"
import { expect, onTestFinished, test } from "vitest"
import { type Driver, UnknownOutcome } from "../../src/drivers/driver.ts"
import { anEntry, executing, itemId } from "../an-entry.ts"
import { aSite } from "./a-site.ts"

/** Counts the calls of each function of `node:fs` and `node:fs/promises` by this process, until the test ends. */
const fileSystemCalls = () => {
  const calls = new Map<string, number>()
  for (const module of [fs, fs.promises] as unknown as ReadonlyArray<Record<string, unknown>>) {
    for (const [name, call] of Object.entries(module)) {
      if (typeof call !== "function" || /^[A-Z]/.test(name)) continue
      const counted = (...args: ReadonlyArray<unknown>) => {
        calls.set(name, (calls.get(name) ?? 0) + 1)
        return call.apply(module, args)
      }
      module[name] = Object.assign(counted, call)
      onTestFinished(() => {
        module[name] = call
      })
    }
  }
  onTestFinished(syncBuiltinESMExports)
  syncBuiltinESMExports()
  return calls
}

test("a cycle without a change looks once at the journal, and at nothing else, however many entries are listed", async () => {
  const site = aSite()
  const entries = Array.from({ length: 5000 }, (_, number) =>
    anEntry({ itemId: itemId(number), path: `/capstor/store/cscs/ethz/${number}` }),
  )
  const lines = entries.map(({ itemId, mountPoint: { default: path } }) =>
    JSON.stringify({ item: itemId, record: { system: "capstor", path } }),
  )
  fs.writeFileSync(join(site.statePath, "journal.jsonl"), `{"storage-provisioner-journal":1}\n${lines.join("\n")}\n`)
  let asked = 0
  const asListed = (driver: Driver): Driver => ({
    ...driver,
    look: ({ itemId, path }) =>
      Effect.sync(() => {
        asked += 1
        const atPath = { uid: 0, gid: 31_001, mode: 0o2770, itemId, quotas: {} }
        return { whereabouts: { at: "path", path }, atPath }
      }),
    differences: () => [],
  })
  const calls = fileSystemCalls()
  const seen: Array<readonly [asked: number, calls: object]> = []
  const onCycle = () => {
    seen.push([asked, Object.fromEntries(calls)])
    asked = 0
    calls.clear()
  }
  await site.session({ driver: asListed, settings: { checkEvery: 3_600_000 }, onCycle })([entries, entries, entries])
  expect(seen.map(([asked]) => asked)).toEqual([5000, 0, 0])
  expect(seen.slice(1).map(([, calls]) => calls)).toEqual([{ statSync: 1 }, { statSync: 1 }])
})

test("a directory whose look failed in passing is looked at again with the next poll, though the list is the same", async () => {
  let looks = 0
  const failsOnce = (driver: Driver): Driver => ({
    ...driver,
    look: (listed, isChecked) =>
      Effect.suspend(() =>
        looks++ === 0
          ? Effect.fail(new UnknownOutcome({ step: "look", detail: "EIO" }))
          : driver.look(listed, isChecked),
      ),
  })
  const list = [anEntry({ status: "pending", ...executing })]
  const settings = { checkEvery: 3_600_000 }
  const outcomes = await aSite().session({ driver: failsOnce, settings })([list, list])
  expect(outcomes.map(({ plan }) => plan.items.map(({ sign }) => sign))).toEqual([["!"], ["+"]])
})

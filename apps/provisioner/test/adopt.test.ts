/** Taking over directories of another program, over the `directory` driver. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import type { StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import { expect, test } from "vitest"
import { openDriver, openReader } from "../src/drivers/open-driver.ts"
import { openJournal } from "../src/journal/journal.ts"
import { adoptAll } from "../src/loop/adopt.ts"
import type { Scope } from "../src/loop/cycle.ts"
import { anEntry, executing, itemId } from "./an-entry.ts"
import { aSite, type Site } from "./loop/a-site.ts"

/** A group to which this process may give a directory: any group for root. */
const gid = (process.geteuid?.() === 0 ? 31_001 : process.getegid?.()) ?? 0
const project = { itemId: itemId(99), key: "p", name: "P", status: "active", unixGid: gid, active: true } as const
const entryOf = (number: number, more: Partial<StorageEntry> = {}) =>
  anEntry({
    itemId: itemId(number),
    path: `/capstor/store/cscs/ethz/${number}`,
    target: { targetType: "project", targetItem: project },
    ...more,
  })
const one = entryOf(1)

/** A directory that another program has made. */
const foreign = (site: Site, { mountPoint }: StorageEntry, group = gid) => {
  const path = site.prefix + mountPoint.default
  mkdirSync(path, { recursive: true, mode: 0o750 })
  chownSync(path, -1, group)
  chmodSync(path, 0o750)
  writeFileSync(`${path}/data`, "data")
}

const adopt = (
  site: Site,
  entries: ReadonlyArray<StorageEntry>,
  { scope = {}, dryRun = false }: { readonly scope?: Scope; readonly dryRun?: boolean } = {},
) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const settings = {
          type: "directory" as const,
          root: join(site.prefix, "capstor"),
          registry: join(site.statePath, "capstor.registry.json"),
        }
        const { prefix } = site
        if (dryRun) {
          const drivers = new Map([["capstor", yield* openReader(settings)]])
          return yield* adoptAll({ entries, notUnderstood: [] }, { drivers, prefix }, scope)
        }
        const drivers = new Map([["capstor", yield* openDriver(settings)]])
        const journal = yield* openJournal(site.statePath)
        return yield* adoptAll({ entries, notUnderstood: [] }, { drivers, prefix }, scope, { journal, drivers })
      }),
    ),
  ).then((adoptions) =>
    adoptions.map(({ itemId, outcome }) => [itemId, typeof outcome === "string" ? outcome : outcome._tag]),
  )
const planned = async (site: Site, entries: ReadonlyArray<StorageEntry>) => {
  const [outcome] = await site.session()([entries])
  return outcome?.plan.items.map(({ sign, acts, note }) => [
    sign,
    ...acts.map(({ act }) => act),
    ...(note ? [note] : []),
  ])
}

test("an adopted directory keeps its data, owner and mode, and the next cycle changes what differs", async () => {
  const site = aSite()
  foreign(site, one)
  const path = site.prefix + one.mountPoint.default
  const before = statSync(path)
  expect(await planned(site, [one])).toEqual([["!", expect.stringMatching(/not made/)]])
  expect(await adopt(site, [one])).toEqual([[one.itemId, "changed"]])
  const after = statSync(path)
  expect([after.ino, after.uid, after.gid, after.mode]).toEqual([before.ino, before.uid, before.gid, before.mode])
  expect(await planned(site, [one])).toEqual([["~", "change"]])
  expect(statSync(path).mode & 0o7777).toBe(0o2770)
  expect(readdirSync(path)).toEqual(["data"])
  expect(await adopt(site, [one])).toEqual([])
})

test("a dry run reports what can be adopted, and writes nothing", async () => {
  const site = aSite()
  foreign(site, one)
  expect(await adopt(site, [one], { dryRun: true })).toEqual([[one.itemId, "adoptable"]])
  expect(readdirSync(join(site.prefix, "capstor"))).toEqual(["store"])
  expect(readdirSync(site.statePath)).toEqual([])
})

test("a directory of another group, of another item, below a link, or claimed by two entries is not adopted", async () => {
  const site = aSite()
  const [two, three, four] = [entryOf(2), entryOf(3), entryOf(4)]
  foreign(site, one)
  foreign(site, two)
  foreign(site, three)
  const otherGroup = {
    ...one,
    target: { targetType: "project" as const, targetItem: { ...project, unixGid: gid + 1 } },
  }
  expect(await adopt(site, [otherGroup])).toEqual([[one.itemId, "Conflict"]])
  expect(await adopt(site, [two, { ...three, mountPoint: two.mountPoint }])).toEqual([
    [two.itemId, "Refused"],
    [three.itemId, "Refused"],
  ])
  expect(await adopt(site, [two])).toEqual([[two.itemId, "changed"]])
  // Its own directory is elsewhere: another at its mount point does not become a second one.
  expect(await adopt(site, [{ ...two, mountPoint: three.mountPoint }])).toEqual([[two.itemId, "Conflict"]])
  // The directory of another item is not a candidate.
  expect(await adopt(site, [{ ...four, mountPoint: two.mountPoint }])).toEqual([])
  symlinkSync(site.prefix + three.mountPoint.default, site.prefix + four.mountPoint.default)
  expect(await adopt(site, [four])).toEqual([[four.itemId, "Conflict"]])
  expect(await planned(site, [three])).toEqual([["!", expect.stringMatching(/not made/)]])
})

test("nothing is adopted for an order in progress, for another item than --only names, or without a directory", async () => {
  const site = aSite()
  foreign(site, one)
  for (const status of ["pending", "updating", "removing"] as const) {
    expect(await adopt(site, [{ ...one, status, ...executing }])).toEqual([])
  }
  expect(await adopt(site, [one], { scope: { only: itemId(2) } })).toEqual([])
  expect(await adopt(site, [entryOf(2)])).toEqual([])
  expect(existsSync(dirname(site.prefix + one.mountPoint.default))).toBe(true)
})

test("an adopted directory that is lost is not made again", async () => {
  const site = aSite()
  foreign(site, one)
  await adopt(site, [one])
  renameSync(site.prefix + one.mountPoint.default, `${site.prefix}/lost`)
  expect(await planned(site, [one])).toEqual([["!", expect.stringMatching(/not made again/)]])
})

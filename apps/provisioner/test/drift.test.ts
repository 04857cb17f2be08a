/** What `drift` and a root that is open read-only find, over the `directory` driver. */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { EntryList } from "@cscs/storage-client"
import type { StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import { expect, test } from "vitest"
import type { Driver, Reader } from "../src/drivers/driver.ts"
import { openReader } from "../src/drivers/open-driver.ts"
import { driftOf } from "../src/loop/drift.ts"
import { anEntry, aTenant, executing, itemId } from "./an-entry.ts"
import { aSite, type Site } from "./loop/a-site.ts"

const settingsOf = ({ prefix, statePath }: Site) => ({
  type: "directory" as const,
  root: join(prefix, "capstor"),
  registry: join(statePath, "capstor.registry.json"),
})
const reading = <A, E>(site: Site, work: (reader: Reader) => Effect.Effect<A, E>) =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(openReader(settingsOf(site)), work)))

const drifts = async (
  site: Site,
  entries: ReadonlyArray<StorageEntry>,
  { notUnderstood = [], only }: { readonly notUnderstood?: EntryList["notUnderstood"]; readonly only?: string } = {},
) => {
  const list = { entries, notUnderstood, total: entries.length, etag: "", age: 0, receivedAt: 0, readAfter: 0 }
  const found = await reading(site, (reader) =>
    driftOf(list, { drivers: new Map([["capstor", reader]]), prefix: site.prefix }, { only }),
  )
  return found.map(({ drift, path, itemId }) => [drift, path, itemId])
}

const one = anEntry()
const two = anEntry({ itemId: itemId(2), path: "/capstor/store/cscs/ethz/two" })
const tenant = aTenant()

test("drift finds nothing when each listed directory is as listed and there are no others", async () => {
  const site = aSite()
  await site.session()([[tenant, one, two]])
  expect(await drifts(site, [tenant, one, two])).toEqual([])
})

test("drift finds directories that no entry lists: this program's own, others beside them, and other things", async () => {
  const site = aSite()
  const deep = anEntry({ itemId: itemId(3), path: "/capstor/archive/other/three" })
  await site.session()([[tenant, one, two, deep]])
  mkdirSync(`${site.prefix}/capstor/store/cscs/foreign/inside`, { recursive: true })
  mkdirSync(`${site.prefix}${one.mountPoint.default}/of-a-user`)
  symlinkSync("/", `${site.prefix}/capstor/store/cscs/ethz/link`)
  expect(await drifts(site, [tenant, one])).toEqual([
    ["unlisted", "/capstor/archive", null],
    ["unlisted", deep.mountPoint.default, deep.itemId],
    ["unlisted", "/capstor/store/cscs/ethz/link", null],
    ["unlisted", two.mountPoint.default, two.itemId],
    ["unlisted", "/capstor/store/cscs/foreign", null],
  ])
})

test("drift finds listed directories that are missing, elsewhere, in the trash, different, or not this program's", async () => {
  const site = aSite()
  const at = (number: number, more: Partial<StorageEntry> = {}) =>
    anEntry({ itemId: itemId(number), path: `/capstor/store/cscs/ethz/${number}`, ...more })
  const entries = [11, 12, 13, 14, 15].map((number) => at(number))
  const place = (number: number) => `${site.prefix}/capstor/store/cscs/ethz/${number}`
  await site.session()([entries])
  await site.session()([
    entries.map((entry) =>
      entry.itemId === itemId(13) ? { ...entry, status: "removing" as const, ...executing } : entry,
    ),
  ])
  rmSync(place(11), { recursive: true })
  chmodSync(place(14), 0o700)
  rmSync(place(15), { recursive: true })
  mkdirSync(place(15))
  const moved = anEntry({ itemId: itemId(12), path: "/capstor/store/cscs/moved/12" })
  const listed = [...entries.filter(({ itemId: id }) => id !== itemId(12)), moved, aTenant({ path: "/capstor/none" })]
  expect(await drifts(site, listed)).toEqual([
    ["missing", "/capstor/store/cscs/ethz/11", itemId(11)],
    ["elsewhere", "/capstor/store/cscs/ethz/13", itemId(13)],
    ["different", "/capstor/store/cscs/ethz/14", itemId(14)],
    ["foreign", "/capstor/store/cscs/ethz/15", itemId(15)],
    ["elsewhere", "/capstor/store/cscs/moved/12", itemId(12)],
    ["missing", "/capstor/none", itemId(50)],
  ])
})

test("drift reports no difference for an order in progress, and one for a directory that is listed as removed", async () => {
  const site = aSite()
  await site.session()([[one]])
  const creating = anEntry({ itemId: itemId(2), path: two.mountPoint.default, status: "pending", ...executing })
  expect(await drifts(site, [one, creating])).toEqual([])
  expect(await drifts(site, [{ ...one, status: "removing", ...executing }])).toEqual([])
  expect(await drifts(site, [{ ...one, status: "removed" }, two])).toContainEqual([
    "unlisted",
    one.mountPoint.default,
    one.itemId,
  ])
})

test("drift reports entries that are not understood, and treats their directories as listed if their paths are known", async () => {
  const site = aSite()
  await site.session()([[one, two]])
  const unclear = { index: 1, itemId: two.itemId, reason: "its status is new" }
  const known = { ...unclear, mountPoint: two.mountPoint.default }
  expect(await drifts(site, [one], { notUnderstood: [known] })).toEqual([
    ["unknown", two.mountPoint.default, two.itemId],
  ])
  expect(await drifts(site, [one], { notUnderstood: [{ ...unclear, mountPoint: undefined }] })).toEqual([
    ["unknown", "", two.itemId],
    ["unlisted", two.mountPoint.default, two.itemId],
  ])
})

test("a mount point outside the root is an unknown difference, and does not hide the others", async () => {
  const site = aSite()
  await site.session()([[one, two]])
  const outside = anEntry({ itemId: itemId(4), path: "/elsewhere/../capstor/x" })
  expect(await drifts(site, [one, outside])).toEqual([
    ["unknown", outside.mountPoint.default, outside.itemId],
    ["unlisted", two.mountPoint.default, two.itemId],
  ])
})

test("drift of one item reads only its directory", async () => {
  const site = aSite()
  await site.session()([[one]])
  expect(await drifts(site, [two, one], { only: one.itemId })).toEqual([])
})

test("a new root that is opened read-only has no trash, and gets none", async () => {
  const site = aSite()
  rmSync(site.statePath, { recursive: true })
  expect(await drifts(site, [one])).toEqual([["missing", one.mountPoint.default, one.itemId]])
  expect(await reading(site, (reader) => reader.trashed())).toEqual([])
  expect(readdirSync(`${site.prefix}/capstor`)).toEqual([])
  expect(existsSync(site.statePath)).toBe(false)
})

test("a root that is opened read-only refuses every step that would change something", async () => {
  const site = aSite()
  await site.session()([[one]])
  const item = { itemId: itemId(9), path: `${site.prefix}/capstor/new` }
  const listed = { ...item, gid: 31_001, mode: 0o2770, quotas: null }
  const steps: ReadonlyArray<(driver: Driver) => Effect.Effect<unknown, unknown>> = [
    (driver) => driver.ensureFolder(item.path, 0o755),
    (driver) => driver.ensureDirectory(listed),
    (driver) =>
      driver.ensureQuota({ itemId: one.itemId, path: site.prefix + one.mountPoint.default }, { spaceHard: 1n }),
    (driver) => driver.move({ ...item, itemId: one.itemId }, site.prefix + one.mountPoint.default),
    (driver) => driver.trash({ itemId: one.itemId, path: site.prefix + one.mountPoint.default }, itemId(8)),
    (driver) => driver.restore(item),
  ]
  // The type of a reader has none of them.
  for (const step of steps) {
    const failure = await reading(site, (reader) => Effect.flip(step(reader as Driver)))
    expect(failure).toMatchObject({ _tag: "Refused" })
  }
  expect(await drifts(site, [one])).toEqual([])
})

test("a root that looks unmounted is refused even if it is opened read-only", async () => {
  const site = aSite()
  await site.session()([[one]])
  renameSync(`${site.prefix}/capstor/.cscs-trash`, `${site.prefix}/capstor/.aside`)
  writeFileSync(`${site.prefix}/capstor/file`, "")
  await expect(drifts(site, [one])).rejects.toMatchObject({ _tag: "Refused" })
})

/** What public provisioners get wrong: each fault is a test. */
import { execFileSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import type { StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import { expect, test } from "vitest"
import { notDoneIn } from "../../src/cli/apply.ts"
import { kibibytes, quotasOf } from "../../src/disk/amounts.ts"
import { Conflict, UnknownOutcome } from "../../src/drivers/driver.ts"
import { anEntry, aTenant, executing, itemId, order, quotas, waiting } from "../an-entry.ts"
import { aSite, type Site } from "./a-site.ts"

const created = anEntry({ status: "pending", ...executing })
const removing = anEntry({ status: "removing", ...executing })
const path = created.mountPoint.default
const reported = ({ reports }: Site) => reports.map(({ act }) => act)
const trashOf = ({ prefix }: Site) => readdirSync(join(prefix, "capstor/.cscs-trash"))
const modeOf = (site: Site, at = path) => statSync(site.prefix + at).mode & 0o7777

test("1 TB is exactly 976,562,500 KiB", () => {
  const bytes = Effect.runSync(
    quotasOf([{ type: "space", quota: 1, unit: "tera", enforcementType: "hard" }]),
  )?.spaceHard
  expect(kibibytes(bytes ?? 0n)).toBe(976_562_500n)
})

test("the directories of one project have quotas of their own, although they have one group", async () => {
  const site = aSite()
  const other = anEntry({ itemId: itemId(2), path: "/capstor/archive/cscs/ethz/climphys", quotas: [...quotas(7)] })
  const [first, second] = await site.session()([
    [anEntry(), other],
    [anEntry(), other],
  ])
  expect(first?.plan.counts["+"]).toBe(2)
  expect(second?.plan.items).toEqual([])
})

test("an order whose quota could not be set is not reported as done", async () => {
  const site = aSite()
  const failing = site.session({
    driver: (driver) => ({
      ...driver,
      ensureDirectory: ({ path }) =>
        Effect.fail(new Conflict({ step: `quotas of ${path}`, detail: "read back: none" })),
    }),
  })
  const [outcome] = await failing([[created]])
  expect(outcome?.results[0]?.isDone).toBe(false)
  expect(site.reports).toEqual([])
})

test("an Update sets newQuotas, larger or smaller, before it is reported as done", async () => {
  for (const space of [9, 2]) {
    const site = aSite()
    const updating = anEntry({ status: "updating", ...executing, newQuotas: [...quotas(space)] })
    const acts: Array<string> = []
    const watched = site.session({
      driver: (driver) => ({
        ...driver,
        ensureDirectory: (listed) => {
          acts.push(`hard ${listed.quotas?.spaceHard}`)
          return driver.ensureDirectory(listed)
        },
      }),
      respond: ({ act }) => {
        acts.push(act)
        return { _tag: "done" }
      },
    })
    await watched([[anEntry()], [updating]])
    expect(acts).toEqual(["hard 5000000000000", `hard ${space}000000000000`, "backend-id", "done"])
  }
})

test("a user's directory gets the group of the primary project, and its quotas; without a GID nothing is made", async () => {
  const site = aSite()
  const user = (unixGid: number) =>
    anEntry({
      target: {
        targetType: "user",
        targetItem: {
          itemId: itemId(97),
          status: "active",
          email: "user@example.com",
          unixUid: 25_000,
          primaryProject: { name: "p", unixGid, active: true },
          active: true,
        },
      },
    })
  const [without] = await site.session()([[user(0)]])
  expect(without?.results[0]?.results[0]).toMatchObject({ act: { act: "create" }, outcome: "Refused" })
  expect(existsSync(site.prefix + path)).toBe(false)
  await site.session()([[user(31_001)]])
  expect(statSync(site.prefix + path).gid).toBe(31_001)
})

test("a report of unknown outcome is sent again, and however many there are, the order is not set to erred", async () => {
  for (const outcome of [
    { _tag: "unknown", detail: "503" } as const,
    { _tag: "unknown", detail: "timeout" } as const,
  ]) {
    const site = aSite()
    await site.session({ respond: () => outcome })(Array.from({ length: 10 }, () => [created]))
    expect(reported(site)).toEqual(Array.from({ length: 10 }, () => "backend-id"))
    await site.session()([[created]])
    expect(reported(site).slice(10)).toEqual(["backend-id", "done"])
  }
})

test("an order is set to erred only after the provisioner's own acts failed several times, with a message without internals", async () => {
  const site = aSite()
  const failing = site.session({
    driver: (driver) => ({
      ...driver,
      ensureDirectory: ({ path }) => Effect.fail(new UnknownOutcome({ step: `lfs setquota ${path}`, detail: "EINTR" })),
    }),
  })
  await failing([[created], [created]])
  expect(site.reports).toEqual([])
  // The count survives a restart.
  const outcomes = await failing([[created], [created]])
  expect(reported(site)).toEqual(["erred"])
  // `apply` ends with 1, also when it gives up, although that report succeeded.
  expect(outcomes.map(notDoneIn)).toEqual([1, 1])
  const message = JSON.stringify(site.reports[0])
  expect(message).toContain("could not be carried out")
  expect(message).not.toMatch(/lfs|EINTR|\/capstor/)
})

test("a mode with setgid is kept as it is, and not set again in each cycle", async () => {
  const site = aSite()
  const [, second] = await site.session()([[anEntry()], [anEntry()]])
  expect(modeOf(site)).toBe(0o2770)
  expect(second?.plan.items).toEqual([])
  chmodSync(site.prefix + path, 0o770)
  const [third] = await site.session()([[anEntry()]])
  expect(third?.plan.items[0]?.acts[0]).toMatchObject({ act: "change", differences: ["mode 0770, not 2770"] })
  expect(modeOf(site)).toBe(0o2770)
})

test("a symbolic link is never followed, at the mount point or above it", async () => {
  for (const at of ["", "/cscs/ethz/climphys"]) {
    const site = aSite()
    const outside = join(site.statePath, "outside")
    mkdirSync(outside)
    const link = `${site.prefix}/capstor/store${at}`
    mkdirSync(join(link, ".."), { recursive: true })
    symlinkSync(outside, link)
    const [outcome] = await site.session()([[created]])
    expect(outcome?.plan.counts["!"]).toBe(1)
    expect(readdirSync(outside)).toEqual([])
    expect(site.reports).toEqual([])
  }
})

test("a removal renames the directory to a name of item and order, and continues after a kill", async () => {
  const site = aSite()
  await site.session()([[anEntry()]])
  const inode = statSync(site.prefix + path).ino
  // Killed between the rename and the report.
  await site.session({ respond: () => ({ _tag: "unknown", detail: "killed" }) })([[removing]])
  expect(existsSync(site.prefix + path)).toBe(false)
  const [name = ""] = trashOf(site)
  expect(name).toMatch(new RegExp(`^${itemId(1)}\\.${order}\\.\\d{4}-\\d\\d-\\d\\d$`))
  expect(statSync(join(site.prefix, "capstor/.cscs-trash", name)).ino).toBe(inode)
  const [again] = await site.session()([[removing]])
  expect(again?.results[0]?.results.map(({ act }) => act.act)).toEqual(["done"])
  expect(trashOf(site)).toEqual([name])
  // The removal was erred after all: the same data returns.
  await site.session()([[anEntry()]])
  expect(statSync(site.prefix + path).ino).toBe(inode)
})

/** A site whose directory was removed and copied back from the trash, and the entry of a later order to remove it. */
const copiedBack = async (how: "-a" | "-r") => {
  const site = aSite()
  await site.session()([[anEntry()], [removing]])
  const [name = ""] = trashOf(site)
  execFileSync("cp", [how, join(site.prefix, "capstor/.cscs-trash", name), site.prefix + path])
  const later: StorageEntry = JSON.parse(JSON.stringify(removing).replaceAll(order, "2".repeat(32)))
  return { site, name, later }
}

test("a removal is not reported while a copy of the directory that was restored from the trash is at the mount point", async () => {
  const { site, name, later } = await copiedBack("-a")
  await site.session()([[anEntry()], [later]])
  expect(reported(site)).toEqual(["done"])
  expect([existsSync(site.prefix + path), trashOf(site)]).toEqual([true, [name]])
})

test("a removal is not reported while an unmarked copy is at the mount point, unless its own order moved the directory to the trash", async () => {
  const { site, later } = await copiedBack("-r")
  const [, outcome] = await site.session()([[anEntry()], [later]])
  expect(outcome?.plan.items.map(({ sign }) => sign)).toEqual(["!"])
  expect(reported(site)).toEqual(["done"])
  await site.session()([[removing]])
  expect(reported(site)).toEqual(["done", "done"])
})

test("a quota of 0, which file systems take as unlimited, is refused", async () => {
  const site = aSite()
  const [first] = await site.session()([[anEntry()]])
  expect(first?.plan.counts["+"]).toBe(1)
  const [outcome] = await site.session()([[anEntry({ quotas: [...quotas(0)] })]])
  expect(outcome?.plan.items[0]).toMatchObject({ sign: "!", acts: [] })
})

test("the plan depends only on the list and the disk, however many lists were missed", async () => {
  const site = aSite()
  // Neither the approval nor the creation was seen: only the end of both.
  const moved = anEntry({ path: "/capstor/store/cscs/ethz/renamed", quotas: [...quotas(6)] })
  await site.session()([[anEntry()]])
  const inode = statSync(site.prefix + path).ino
  const [, then] = await site.session()([[moved], [moved]])
  expect(statSync(site.prefix + moved.mountPoint.default).ino).toBe(inode)
  expect(existsSync(site.prefix + path)).toBe(false)
  expect(then?.plan.items).toEqual([])
})

test("the path is reported as backend id before an order is done", async () => {
  const site = aSite()
  await site.session()([[created]])
  expect(site.reports.map(({ act, ...rest }) => [act, "path" in rest ? rest.path : ""])).toEqual([
    ["backend-id", path],
    ["done", ""],
  ])
})

test("the path is reported as backend id after an order is erred, if the directory is there, and cannot block the error", async () => {
  const site = aSite()
  const updating = anEntry({ status: "updating", ...executing, newQuotas: [...quotas(9)] })
  const acting = site.session()
  await acting([[anEntry()]])
  const failing = site.session({
    driver: (driver) => ({
      ...driver,
      ensureDirectory: ({ path }) => Effect.fail(new UnknownOutcome({ step: `lfs setquota ${path}`, detail: "EINTR" })),
    }),
    respond: ({ act }) => (act === "backend-id" ? { _tag: "refused", detail: "403" } : { _tag: "done" }),
  })
  await failing([[updating], [updating], [updating], [updating]])
  expect(reported(site)).toEqual(["erred", "backend-id"])
})

test("an entry that is missing from the list is never removed", async () => {
  const site = aSite()
  await site.session()([[anEntry()], [], [aTenant()]])
  expect(existsSync(site.prefix + path)).toBe(true)
})

test("an order that waits for approval is approved, and nothing changes on the disk", async () => {
  const site = aSite()
  await site.session()([[anEntry({ status: "pending", ...waiting })]])
  expect(reported(site)).toEqual(["approve"])
  expect(readdirSync(join(site.prefix, "capstor")).filter((name) => !name.startsWith("."))).toEqual([])
})

test("an order that another party has set to done is not reported again", async () => {
  const site = aSite()
  await site.session({ respond: () => ({ _tag: "otherState", detail: "409" }) })([[created]])
  expect(reported(site)).toEqual(["backend-id"])
})

test("a directory that the provisioner did not make is neither changed nor removed", async () => {
  const site = aSite()
  mkdirSync(site.prefix + path, { recursive: true, mode: 0o700 })
  const before = statSync(site.prefix + path)
  const outcomes = await site.session()([[created], [anEntry()], [removing]])
  for (const outcome of outcomes) expect(outcome.plan.items[0]).toMatchObject({ sign: "!", acts: [] })
  expect(statSync(site.prefix + path)).toMatchObject({ ino: before.ino, mode: before.mode, gid: before.gid })
  expect(site.reports).toEqual([])
})

test("no more than max_removals directories are removed per poll", async () => {
  const site = aSite()
  const many = Array.from({ length: 4 }, (_, number) => ({
    itemId: itemId(number),
    path: `/capstor/store/a/b/${number}`,
  }))
  await site.session()([many.map((one) => anEntry(one))])
  const settings = { maxRemovals: 3 }
  const [outcome] = await site.session({ settings })([
    many.map((one) => anEntry({ ...one, status: "removing", ...executing })),
  ])
  expect(outcome?.plan.counts).toMatchObject({ "-": 3, "!": 1 })
  expect(trashOf(site)).toHaveLength(3)
})

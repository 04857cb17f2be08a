/** What the next process does with a journal whose process was killed between an act and its record. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import { expect, test } from "vitest"
import { UnknownOutcome } from "../../src/drivers/driver.ts"
import { anEntry, executing } from "../an-entry.ts"
import { aSite, type Site } from "./a-site.ts"

const created = anEntry({ status: "pending", ...executing })
const removing = anEntry({ status: "removing", ...executing })
const path = created.mountPoint.default

/** A cycle whose process is killed right after the act: the journal contains nothing that it wrote later. */
const killedAfter = async (site: Site, act: "create" | "trash" | "done", entry: StorageEntry) => {
  const journal = join(site.statePath, "journal.jsonl")
  let left = ""
  const killed = (one: typeof act) => {
    if (one === act) left = readFileSync(journal, "utf8")
  }
  await site.session({
    driver: (driver) => ({
      ...driver,
      ensureDirectory: (listed) =>
        Effect.tap(driver.ensureDirectory(listed), () => Effect.sync(() => killed("create"))),
      trash: (item, order) => Effect.tap(driver.trash(item, order), () => Effect.sync(() => killed("trash"))),
    }),
    respond: (report) => {
      if (report.act === "done") killed("done")
      return { _tag: "done" }
    },
  })([[entry]])
  writeFileSync(journal, left)
}

test("a directory that was made and then lost is not made again, whichever act the provisioner was killed after", async () => {
  for (const act of ["create", "done"] as const) {
    const site = aSite()
    await killedAfter(site, act, created)
    await site.session()([[anEntry()]])
    rmSync(site.prefix + path, { recursive: true })
    const [outcome] = await site.session()([[anEntry()]])
    expect(outcome?.plan.items[0]).toMatchObject({ sign: "!", acts: [], note: expect.stringContaining("is gone") })
  }
})

test("a directory that is lost while its report is under way is not made again", async () => {
  const site = aSite()
  await killedAfter(site, "done", created)
  rmSync(site.prefix + path, { recursive: true })
  const [outcome] = await site.session()([[created]])
  expect(outcome?.plan.items[0]).toMatchObject({ sign: "!", acts: [] })
})

test("a creation that was killed before it made anything, and then fails, is repeated", async () => {
  const site = aSite()
  await killedAfter(site, "create", created)
  rmSync(site.prefix + path, { recursive: true })
  await site.session({
    driver: (driver) => ({
      ...driver,
      ensureDirectory: ({ path }) => Effect.fail(new UnknownOutcome({ step: `mkdir ${path}`, detail: "EIO" })),
    }),
  })([[created]])
  await site.session()([[created]])
  expect(existsSync(site.prefix + path)).toBe(true)
})

test("a removal that was killed between its rename and its record raises no alarm once its order is done", async () => {
  const site = aSite()
  await site.session()([[anEntry()]])
  await killedAfter(site, "trash", removing)
  const [, removed] = await site.session()([[removing], [anEntry({ status: "removed" })]])
  expect(removed?.plan.items).toEqual([])
})

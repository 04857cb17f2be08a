import type { Skipped } from "@cscs/storage-model"
import { Effect, Logger, References } from "effect"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { countChanges } from "../src/refresh/list-changes.ts"
import { logReading } from "../src/refresh/refresh-log.ts"
import type { Snapshot } from "../src/snapshot/snapshot.ts"
import { aSnapshot, type Made } from "./a-snapshot.ts"

type Fields = Readonly<Record<string, unknown>>

/** The lines of a refresh, each with its level. */
const linesOf = async (snapshot: Snapshot, last?: Snapshot): Promise<ReadonlyArray<Fields>> => {
  const lines: Array<Fields> = []
  const logger = Logger.map(
    Logger.formatStructured,
    ({ level, annotations }) => void lines.push({ level, ...annotations }),
  )
  const taken = { snapshot, readStartedAt: 0, readEndedAt: 1, changedAt: 1 }
  await Effect.runPromise(
    logReading({ taken, origin: "all" } as Parameters<typeof logReading>[0], last, 1).pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "All"),
    ),
  )
  return lines
}

const finding = (code: Skipped["code"], uuid: number): Skipped => ({
  code,
  uuid: String(uuid),
  slug: null,
  offering_slug: "vast",
  field: "backend_id",
  found: uuid,
  reason: "expected a path",
})
const findings = (code: Skipped["code"], count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => finding(code, from + index))

/** How many lines of an event have each level. */
const levels = (lines: ReadonlyArray<Fields>, event: string) => {
  const of = lines.filter((line) => line.event === event)
  return {
    warned: of.filter(({ level }) => level === "WARN").length,
    debugged: of.filter(({ level }) => level === "DEBUG").length,
  }
}
const summaries = (lines: ReadonlyArray<Fields>) => lines.filter(({ event }) => String(event).endsWith("-summary"))

describe("findings", () => {
  test("of the first snapshot are two warnings with their numbers by code, and details at debug level", async () => {
    const skipped = [...findings("bad-data", 3), ...findings("gid-unknown", 30)]
    const warnings = findings("bad-data", 1).map((one) => ({ ...one, code: "shared-gid" as const }))
    const lines = await linesOf(aSnapshot([], { skipped, warnings }))
    expect(summaries(lines)).toEqual([
      { level: "WARN", event: "skipped-summary", "bad-data": 3, "gid-unknown": 30 },
      { level: "WARN", event: "warnings-summary", "shared-gid": 1 },
    ])
    expect(levels(lines, "resource-skipped")).toEqual({ warned: 0, debugged: 33 })
    expect(levels(lines, "resource-warning")).toEqual({ warned: 0, debugged: 1 })
    expect(summaries(await linesOf(aSnapshot([])))).toEqual([])
  })

  test("that are new later are one warning each, up to twenty of a code; more are counted", async () => {
    const known = findings("bad-data", 5)
    const last = aSnapshot([], { skipped: known })
    const upTo = await linesOf(aSnapshot([], { skipped: [...findings("bad-data", 25), finding("duplicate", 1)] }), last)
    expect(levels(upTo, "resource-skipped")).toEqual({ warned: 21, debugged: 0 })
    expect(summaries(upTo)).toEqual([])
    const more = await linesOf(aSnapshot([], { skipped: [...findings("bad-data", 26), finding("duplicate", 1)] }), last)
    expect(levels(more, "resource-skipped")).toEqual({ warned: 21, debugged: 1 })
    expect(summaries(more)).toEqual([{ level: "WARN", event: "skipped-summary", "bad-data": 21 }])
  })
})

describe("the line of a snapshot", () => {
  const made = (itemId: string, more: Partial<Made> = {}): Made => ({
    itemId,
    mountPoint: `/capstor/store/${itemId}`,
    targetType: "project",
    offeringSlug: "capstor",
    dataType: "store",
    status: "active",
    states: ["OK"],
    ...more,
  })
  const changesIn = async (snapshot: Snapshot, last?: Snapshot) => {
    const line = (await linesOf(snapshot, last)).find(({ event }) => event === "snapshot-taken")
    return [line?.added, line?.removed, line?.changed]
  }

  test("has the numbers of entries that were added, removed and changed; the first one has none", async () => {
    const last = aSnapshot([["a", "b", "c", "d"].map((id) => made(id))])
    const next = aSnapshot([[made("e"), made("a", { status: "pending" }), made("c"), made("f")], [made("d")]])
    expect(await changesIn(last)).toEqual([undefined, undefined, undefined])
    expect(await changesIn(last, last)).toEqual([0, 0, 0])
    expect(await changesIn(next, last)).toEqual([2, 1, 1])
  })

  test("counts entries of one item, such as a tenant's by data type, one by one", async () => {
    const store = made("tenant", { targetType: "tenant", mountPoint: "/capstor/store/cscs" })
    const archive = { ...store, dataType: "archive", mountPoint: "/capstor/archive/cscs" }
    expect(await changesIn(aSnapshot([[store]]), aSnapshot([[store], [archive]]))).toEqual([0, 1, 0])
    expect(await changesIn(aSnapshot([[store], [archive]]), aSnapshot([[store]]))).toEqual([1, 0, 0])
    expect(await changesIn(aSnapshot([[archive]]), aSnapshot([[store]]))).toEqual([0, 0, 1])
    const scratch = { ...store, dataType: "scratch", mountPoint: "/capstor/scratch/cscs" }
    expect(await changesIn(aSnapshot([[archive], [scratch]]), aSnapshot([[store]]))).toEqual([1, 0, 1])
  })

  test("counts as a comparison of all entries by item does, however they are divided into chunks", async () => {
    const some = fc
      .uniqueArray(fc.record({ id: fc.nat(30), gid: fc.integer({ min: 40_001, max: 40_002 }) }), {
        selector: ({ id }) => id,
        maxLength: 30,
      })
      .chain((list) => fc.tuple(fc.constant(list), fc.nat(list.length)))
      .map(([list, cut]) => {
        const entries = list.map(({ id, gid }) => made(String(id), { gid }))
        const snapshot = aSnapshot([entries.slice(0, cut), entries.slice(cut)].filter((step) => step.length > 0))
        return { chunks: snapshot.entries.chunks, gids: new Map(list.map(({ id, gid }) => [id, gid])) }
      })
    await fc.assert(
      fc.asyncProperty(some, some, async (before, after) => {
        const common = [...after.gids].filter(([id]) => before.gids.has(id))
        expect(await Effect.runPromise(countChanges(before.chunks, after.chunks))).toEqual({
          added: after.gids.size - common.length,
          removed: before.gids.size - common.length,
          changed: common.filter(([id, gid]) => before.gids.get(id) !== gid).length,
        })
      }),
    )
  })
})

import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { elapsedOf } from "@cscs/http-transport"
import type { EntryList } from "@cscs/storage-client"
import type { StorageEntry } from "@cscs/storage-model"
import type { ReportOutcome } from "@cscs/waldur-client"
import { Effect, type Scope } from "effect"
import { onTestFinished } from "vitest"
import type { Driver } from "../../src/drivers/driver.ts"
import { openDriver } from "../../src/drivers/open-driver.ts"
import { openJournal } from "../../src/journal/journal.ts"
import { type CycleOutcome, type CycleSettings, makeCycles } from "../../src/loop/cycle.ts"
import type { Report } from "../../src/loop/perform.ts"

type Cycle = Effect.Success<ReturnType<typeof makeCycles>>

export interface SessionOptions {
  readonly driver: (driver: Driver) => Driver
  readonly respond: (report: Report) => ReportOutcome
  readonly settings: Partial<CycleSettings>
}

export interface Site {
  /** Mount points are below it. */
  readonly prefix: string
  readonly statePath: string
  /** Every report that was sent. */
  readonly reports: Array<Report>
  /** Starts a process: it has the driver and the journal until the scope ends. */
  readonly start: (options?: Partial<SessionOptions>) => Effect.Effect<Cycle, unknown, Scope.Scope>
  /** Cycles on these lists; a new `session` stands for a restart. */
  readonly session: (
    options?: Partial<
      SessionOptions & {
        /** Milliseconds that each list is older than the cycle that reads it; or those of each cycle. */
        readonly age: number | ReadonlyArray<number>
        /** The numbers of cycles that are not regular polls. */
        readonly between: ReadonlyArray<number>
        /** Called after each cycle. */
        readonly onCycle: () => void
      }
    >,
  ) => (cycles: ReadonlyArray<ReadonlyArray<StorageEntry>>) => Promise<ReadonlyArray<CycleOutcome>>
}

/** A folder with the root `/capstor`, the `directory` driver, and a Waldur that accepts every report. */
export const aSite = (): Site => {
  const folder = mkdtempSync(join(tmpdir(), "provisioner-site-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const prefix = join(folder, "root")
  const statePath = join(folder, "state")
  mkdirSync(join(prefix, "capstor"), { recursive: true, mode: 0o755 })
  mkdirSync(statePath)
  const reports: Array<Report> = []
  const start = Effect.fnUntraced(function* ({
    driver: wrap = (driver: Driver) => driver,
    respond = (): ReportOutcome => ({ _tag: "done" }),
    settings,
  }: Partial<SessionOptions> = {}) {
    const driver = yield* openDriver({
      type: "directory",
      root: join(prefix, "capstor"),
      registry: join(statePath, "capstor.registry.json"),
    })
    return yield* makeCycles({
      systems: { drivers: new Map([["capstor", wrap(driver)]]), prefix },
      journal: yield* openJournal(statePath),
      send: (report) =>
        Effect.sync(() => {
          reports.push(report)
          return respond(report)
        }),
      settings: {
        policy: () => ({ verdict: "approve" }),
        maxRemovals: 5,
        erredAfter: 3,
        reportsBackendId: true,
        checkEvery: 0,
        retryAfter: 0,
        scope: {},
        ...settings,
      },
      onAct: () => Effect.void,
    })
  })
  return {
    prefix,
    statePath,
    reports,
    start,
    session:
      ({ age = -1, between = [], onCycle = () => {}, ...options } = {}) =>
      (cycles) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const clock = yield* Effect.clockWith(Effect.succeed)
              const cycle = yield* start(options)
              return yield* Effect.forEach(cycles, (entries, index) =>
                Effect.suspend(() =>
                  cycle(
                    // By default as if the list were read after each report.
                    aList(entries, elapsedOf(clock) - (typeof age === "number" ? age : (age[index] ?? -1))),
                    !between.includes(index),
                  ),
                ).pipe(Effect.tap(() => Effect.sync(onCycle))),
              )
            }),
          ),
        ),
  }
}

/** A list that shows Waldur as it was at `readAfter`. */
export const aList = (entries: ReadonlyArray<StorageEntry>, readAfter: number): EntryList => ({
  entries,
  notUnderstood: [],
  total: entries.length,
  etag: '"list"',
  age: 0,
  receivedAt: Date.now(),
  readAfter,
})

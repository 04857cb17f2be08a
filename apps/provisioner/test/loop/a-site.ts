import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { elapsedOf } from "@cscs/http-transport"
import type { StorageEntry } from "@cscs/storage-model"
import type { ReportOutcome } from "@cscs/waldur-client"
import { Effect } from "effect"
import { onTestFinished } from "vitest"
import type { Driver } from "../../src/drivers/driver.ts"
import { openDriver } from "../../src/drivers/open-driver.ts"
import { openJournal } from "../../src/journal/journal.ts"
import { type CycleOutcome, type CycleSettings, makeCycles } from "../../src/loop/cycle.ts"
import type { Report } from "../../src/loop/perform.ts"

export interface Site {
  /** Mount points are below it. */
  readonly prefix: string
  readonly statePath: string
  /** Every report that was sent. */
  readonly reports: Array<Report>
  /** A cycle on this list; a new `session` stands for a restart. */
  readonly session: (
    about?: Partial<{
      readonly driver: (driver: Driver) => Driver
      readonly respond: (report: Report) => ReportOutcome
      readonly settings: Partial<CycleSettings>
      /** Milliseconds that each list is older than the cycle that reads it; or those of each cycle. */
      readonly age: number | ReadonlyArray<number>
      /** The numbers of cycles that are not regular polls. */
      readonly between: ReadonlyArray<number>
      /** Called after each cycle. */
      readonly onCycle: () => void
    }>,
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
  return {
    prefix,
    statePath,
    reports,
    session:
      ({
        driver: wrap = (driver: Driver) => driver,
        respond = (): ReportOutcome => ({ _tag: "done" }),
        settings,
        age = -1,
        between = [],
        onCycle = () => {},
      } = {}) =>
      (cycles) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const clock = yield* Effect.clockWith(Effect.succeed)
              const driver = yield* openDriver({
                type: "directory",
                root: join(prefix, "capstor"),
                registry: join(statePath, "capstor.registry.json"),
              })
              const cycle = yield* makeCycles({
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
              return yield* Effect.forEach(cycles, (entries, index) =>
                Effect.suspend(() =>
                  cycle(
                    {
                      entries,
                      notUnderstood: [],
                      total: entries.length,
                      etag: `"${index}"`,
                      age: 0,
                      receivedAt: Date.now(),
                      // By default as if the list were read after each report.
                      readAfter: elapsedOf(clock) - (typeof age === "number" ? age : (age[index] ?? -1)),
                    },
                    !between.includes(index),
                  ),
                ).pipe(Effect.tap(() => Effect.sync(onCycle))),
              )
            }),
          ),
        ),
  }
}

/** The gauges of the proxy. */
import { type Finding, type StorageSystem, skipCodes, warningCodes } from "@cscs/storage-model"
import { Context, Effect, Layer, Metric } from "effect"
import { Settings } from "../config/settings.ts"
import { version } from "../config/version.ts"
import { observeProcess } from "../observability/process-metrics.ts"
import { slowCalls } from "../refresh/slow-calls.ts"
import { oldestReadAt, type Snapshot } from "../snapshot/snapshot.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import { Snapshots } from "./snapshots.ts"

const age = Metric.gauge("snapshot_age_seconds", {
  description: "Age of the oldest entries, since their read began.",
})
const entries = Metric.gauge("snapshot_entries", { description: "Entries of the snapshot, by storage system." })
const skipped = Metric.gauge("snapshot_skipped", {
  description: "Resources skipped in the snapshot, by storage system and reason.",
})
const warnings = Metric.gauge("snapshot_warnings", {
  description: "Warnings of the snapshot, by storage system and reason.",
})
const mocked = Metric.gauge("mocked_gids", { description: "Projects with a mock GID." })
const guarded = Metric.gauge("guarded_systems", {
  description:
    "1 for a storage system whose last good entries stay, because a refresh would lose or remove too many at once.",
})
const lost = Metric.gauge("guarded_lost_entries", {
  description: "Live entries of a guarded storage system that a refresh would lose.",
})
const failing = Metric.gauge("refresh_failing", {
  description: "1 if the last refresh failed, internal faults included.",
})
const refreshing = Metric.gauge("refresh_in_progress", { description: "1 while a refresh is in flight." })
const slow = Metric.gauge("refresh_running_seconds", {
  description: "How long the refresh in flight has run, if longer than 30 seconds; else 0.",
})
const waiting = Metric.gauge("upstream_waiting_seconds", {
  description: "How long the oldest running call to an upstream has run, if longer than 30 seconds; else 0.",
})
const leader = Metric.gauge("is_leader", { description: "1 if this process reads the upstreams itself." })
const build = Metric.gauge("build_info", { description: "Always 1." })

/** The `storage_system` label of findings without a configured offering, so that upstreams cannot create labels. */
const otherSystem = "other"

const gaugesOfSnapshot = (systems: ReadonlyArray<StorageSystem>) => {
  const nameOf = new Map(systems.map(({ name, offeringSlug }) => [offeringSlug, name]))
  /** Sets every series, also those at 0: an alert sees a rise only in a series that was there before. */
  const byReason = (gauge: Metric.Gauge<number>, codes: object, findings: ReadonlyArray<Finding<string>>) => {
    const counts = new Map<string, number>()
    for (const { offering_slug, code } of findings) {
      const key = `${nameOf.get(offering_slug ?? "") ?? otherSystem} ${code}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    return Effect.forEach([...nameOf.values(), otherSystem], (storage_system) =>
      Effect.forEach(Object.keys(codes), (reason) =>
        Metric.update(
          Metric.withAttributes(gauge, { storage_system, reason }),
          counts.get(`${storage_system} ${reason}`) ?? 0,
        ),
      ),
    )
  }
  return Effect.fnUntraced(function* (snapshot: Snapshot) {
    const sizes = new Map<string, number>()
    for (const { facets, facetsAt } of snapshot.entries.chunks) {
      // All entries of a chunk belong to one storage system.
      const slug = facets[0]?.offeringSlug ?? ""
      sizes.set(slug, (sizes.get(slug) ?? 0) + facetsAt.length)
    }
    for (const [slug, storage_system] of nameOf) {
      const ofSystem = (gauge: Metric.Gauge<number>, value: number) =>
        Metric.update(Metric.withAttributes(gauge, { storage_system }), value)
      const guard = snapshot.guarded.find(({ offeringSlug }) => offeringSlug === slug)
      yield* ofSystem(entries, sizes.get(slug) ?? 0)
      yield* ofSystem(guarded, guard === undefined ? 0 : 1)
      yield* ofSystem(lost, guard === undefined ? 0 : guard.before - guard.now)
    }
    yield* byReason(skipped, skipCodes, snapshot.skipped)
    yield* byReason(warnings, warningCodes, snapshot.warnings)
    yield* Metric.update(mocked, snapshot.mockedGids)
  })
}

/** Metrics that are measured on demand: the current snapshot and the process. */
export class Gauges extends Context.Service<
  Gauges,
  {
    /** Updates the gauges; call it before Effect's metrics are read. */
    readonly measure: Effect.Effect<void>
  }
>()("@cscs/proxy-server/Gauges") {
  static readonly layer: Layer.Layer<Gauges, never, Snapshots | Settings> = Layer.effect(
    Gauges,
    Effect.gen(function* () {
      const { state } = yield* Snapshots
      const { model } = yield* Settings
      const measureProcess = yield* observeProcess
      const measureSnapshot = gaugesOfSnapshot(model.storageSystems)
      const measure = Effect.gen(function* () {
        const { current, failure, isRefreshing, slowSince, isLeading } = state()
        const now = yield* steadyMillis
        yield* Metric.update(failing, failure === undefined ? 0 : 1)
        yield* Metric.update(refreshing, isRefreshing ? 1 : 0)
        yield* Metric.update(slow, slowSince === undefined ? 0 : (now - slowSince) / 1000)
        for (const [upstream, length] of yield* slowCalls) {
          yield* Metric.update(Metric.withAttributes(waiting, { upstream }), length / 1000)
        }
        if (current !== undefined) {
          yield* Metric.update(age, (now - oldestReadAt(current)) / 1000)
          yield* measureSnapshot(current.snapshot)
        }
        yield* Metric.update(leader, isLeading ? 1 : 0)
        yield* Metric.update(Metric.withAttributes(build, { version }), 1)
        yield* measureProcess
      })
      return Gauges.of({ measure })
    }),
  )
}

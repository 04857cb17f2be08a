/** The gauges of the proxy. */
import { monitorEventLoopDelay } from "node:perf_hooks"
import type { Finding } from "@cscs/storage-model"
import { Context, Effect, Layer, Metric } from "effect"
import { version } from "../config/version.ts"
import { slowCalls } from "../refresh/slow-calls.ts"
import { oldestReadAt } from "../snapshot/snapshot.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import { Snapshots } from "./snapshots.ts"

const age = Metric.gauge("snapshot_age_seconds", {
  description: "Age of the oldest entries, since their read began.",
})
const entries = Metric.gauge("snapshot_entries", { description: "Entries of the snapshot." })
const skipped = Metric.gauge("snapshot_skipped", { description: "Resources skipped in the snapshot, by reason." })
const warnings = Metric.gauge("snapshot_warnings", { description: "Warnings of the snapshot, by reason." })
const mocked = Metric.gauge("mocked_gids", { description: "Projects with a mock GID." })
const guarded = Metric.gauge("guarded_systems", {
  description: "Storage systems whose last good entries stay, because a refresh would lose or remove too many at once.",
})
const lost = Metric.gauge("guarded_lost_entries", {
  description: "Live entries of a guarded storage system that a refresh would lose, by offering.",
})
const failing = Metric.gauge("refresh_failing", {
  description: "1 if the last refresh failed, internal faults included.",
})
const slow = Metric.gauge("refresh_running_seconds", {
  description: "How long the refresh in flight has run, if longer than 30 seconds; else 0.",
})
const waiting = Metric.gauge("upstream_waiting_seconds", {
  description: "How long the oldest running call to an upstream has run, if longer than 30 seconds; else 0.",
})
const leader = Metric.gauge("is_leader", { description: "1 if this process reads the upstreams itself." })
const build = Metric.gauge("build_info", { description: "Always 1." })
const memory = Metric.gauge("process_resident_memory_bytes", { description: "Resident memory." })
const processor = Metric.counter("process_cpu_seconds_total", {
  description: "Processor time, user and system.",
  incremental: true,
})
const delay = Metric.gauge("nodejs_eventloop_delay_seconds", {
  description: "Event loop delay since the last scrape, 99th percentile.",
})

/** Sets a gauge for each reason, and to 0 once a reason has disappeared. */
const byReason = (gauge: Metric.Gauge<number>) => {
  const seen = new Set<string>()
  return (findings: ReadonlyArray<Finding<string>>) => {
    const counts = new Map([...seen].map((reason) => [reason, 0]))
    for (const { code } of findings) counts.set(code, (counts.get(code) ?? 0) + 1)
    return Effect.forEach(
      counts,
      ([reason, count]) => {
        seen.add(reason)
        return Metric.update(Metric.withAttributes(gauge, { reason }), count)
      },
      { discard: true },
    )
  }
}

/** Metrics that are measured on demand: the current snapshot and the process. */
export class Gauges extends Context.Service<
  Gauges,
  {
    /** Updates the gauges; call it before Effect's metrics are read. */
    readonly measure: Effect.Effect<void>
  }
>()("@cscs/proxy-server/Gauges") {
  static readonly layer: Layer.Layer<Gauges, never, Snapshots> = Layer.effect(
    Gauges,
    Effect.gen(function* () {
      const { state } = yield* Snapshots
      const loop = monitorEventLoopDelay({ resolution: 10 })
      loop.enable()
      const reasons = { skipped: byReason(skipped), warnings: byReason(warnings) }
      const guardedOnce = new Set<string>()
      let processorSeconds = 0
      const measure = Effect.gen(function* () {
        const { current, failure, slowSince, isLeading } = state()
        const now = yield* steadyMillis
        yield* Metric.update(failing, failure === undefined ? 0 : 1)
        yield* Metric.update(slow, slowSince === undefined ? 0 : (now - slowSince) / 1000)
        for (const [upstream, length] of yield* slowCalls) {
          yield* Metric.update(Metric.withAttributes(waiting, { upstream }), length / 1000)
        }
        if (current !== undefined) {
          const { snapshot } = current
          yield* Metric.update(age, (now - oldestReadAt(current)) / 1000)
          yield* Metric.update(entries, snapshot.entries.size)
          yield* Metric.update(mocked, snapshot.mockedGids)
          yield* Metric.update(guarded, snapshot.guarded.length)
          for (const { offeringSlug } of snapshot.guarded) guardedOnce.add(offeringSlug)
          for (const offering of guardedOnce) {
            const system = snapshot.guarded.find(({ offeringSlug }) => offeringSlug === offering)
            const count = system === undefined ? 0 : system.before - system.now
            yield* Metric.update(Metric.withAttributes(lost, { offering }), count)
          }
          yield* reasons.skipped(snapshot.skipped)
          yield* reasons.warnings(snapshot.warnings)
        }
        yield* Metric.update(leader, isLeading ? 1 : 0)
        yield* Metric.update(Metric.withAttributes(build, { version }), 1)
        yield* Metric.update(memory, process.memoryUsage.rss())
        const { user, system } = process.cpuUsage()
        const seconds = (user + system) / 1e6
        yield* Metric.update(processor, seconds - processorSeconds)
        processorSeconds = seconds
        yield* Metric.update(delay, loop.percentile(99) / 1e9)
        loop.reset()
      })
      return Gauges.of({ measure })
    }),
  )
}

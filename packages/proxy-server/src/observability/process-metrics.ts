/**
 * Metrics of the process and of Node (memory, processor, event loop, heap, garbage collection) as prom-client collects
 * them. They become Effect's metrics, so that `/metrics` and collectors get them like all others.
 */
import { Effect, Metric } from "effect"
import { collectDefaultMetrics, type MetricValueWithName, Registry } from "prom-client"

/** Milliseconds between two samples of the event loop's delay: prom-client's default, a hundred wake-ups a second. */
const sampledEvery = 10

let collected: Registry | undefined
/** One for the process: what observes the event loop and the garbage collector cannot be stopped. */
const registryOfProcess = (): Registry => {
  if (collected === undefined) {
    collected = new Registry()
    collectDefaultMetrics({ register: collected, eventLoopMonitoringPrecision: sampledEvery })
  }
  return collected
}

interface Described {
  readonly description: string
  readonly attributes: Readonly<Record<string, string>>
}
/** Sets a series to a value. */
type Setter = (value: number) => Effect.Effect<void>
const setters = new Map<string, Setter>()

const setterOf = (type: string, name: string, options: Described): Setter => {
  if (type === "gauge") {
    const gauge = Metric.gauge(name, options)
    return (value) => Metric.update(gauge, value)
  }
  // Effect's counters take what was added.
  const counter = Metric.counter(name, { ...options, incremental: true })
  let last = 0
  return (value) => {
    const added = value - last
    last = value
    return Metric.update(counter, added)
  }
}

const measure = Effect.fnUntraced(function* (registry: Registry) {
  const metrics = yield* Effect.promise(() => registry.getMetricsAsJSON())
  const gone = new Map(setters)
  for (const { name, help, type, values } of metrics) {
    for (const measured of values as ReadonlyArray<MetricValueWithName<string>>) {
      const metricName = measured.metricName ?? name
      // A histogram becomes counters: its sum and its count.
      if (metricName.endsWith("_bucket")) continue
      const attributes = Object.fromEntries(Object.entries(measured.labels).map(([label, text]) => [label, `${text}`]))
      const key = JSON.stringify([metricName, attributes])
      const set = setters.get(key) ?? setterOf(String(type), metricName, { description: help, attributes })
      setters.set(key, set)
      gone.delete(key)
      yield* set(measured.value)
    }
  }
  // Of a kind of resource that the process no longer holds.
  for (const set of gone.values()) yield* set(0)
})

/**
 * Observes the process from now on.
 *
 * @returns what updates its metrics; those of the event loop cover the time since the last update
 */
export const observeProcess: Effect.Effect<Effect.Effect<void>> = Effect.sync(() => measure(registryOfProcess()))

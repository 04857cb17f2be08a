/** Exports traces, metrics and logs by OTLP. */
import { isSecretName, mask, metricName } from "@cscs/proxy-server"
import { ConfigProvider, Duration, Effect, Layer, Tracer } from "effect"
import { FetchHttpClient } from "effect/http"
import {
  OtlpExporter,
  OtlpLogger,
  OtlpMetrics,
  type OtlpResource,
  OtlpSerialization,
  OtlpTracer,
} from "effect/observability"
import type { Deliver } from "./delivery.ts"
import type { Destination, OpenTelemetry } from "./otel-variables.ts"
import { sampled } from "./sampling.ts"
import type { Scrub } from "./scrubber.ts"

/** What the exporters need from the process. */
export interface OtlpOptions {
  readonly settings: OpenTelemetry
  readonly deliver: Deliver
  readonly scrub: Scrub
  /** Updates gauges that are only measured on demand. */
  readonly measure: Effect.Effect<void>
}

/** Effect's exporters, configured by the settings: a tracer, an additional logger, and periodic metrics. */
export const otlpLayer = ({ settings, deliver, scrub, measure }: OtlpOptions) => {
  const { traces, metrics, logs } = settings
  const common = (signal: string, to: Destination) => ({
    layer: Layer.mergeAll(
      serialization(to.encoding, scrub),
      FetchHttpClient.layer.pipe(
        Layer.provideMerge(Layer.succeed(FetchHttpClient.Fetch)(deliver({ what: signal, timeout: to.timeout }))),
      ),
      // Everything that Effect would read there has already been read and validated.
      ConfigProvider.layer(ConfigProvider.fromEnvRecord({})),
    ),
    options: {
      url: to.url,
      headers: to.headers,
      compression: to.compression,
      resource: settings.resource,
      shutdownTimeout: "2 seconds",
    } as const,
  })

  const layers: Array<Layer.Layer<never>> = []
  if (traces !== undefined) {
    const { layer, options } = common("traces", traces)
    layers.push(
      Layer.effect(
        Tracer.Tracer,
        Effect.map(OtlpTracer.make({ ...options, exportInterval: traces.interval }), (tracer) =>
          sampled(tracer, traces.sampler),
        ),
      ).pipe(Layer.provide(OtlpExporter.layerFlusher), Layer.provide(layer)),
    )
  }
  if (metrics !== undefined) {
    const { layer, options } = common("metrics", metrics)
    layers.push(
      Layer.effectDiscard(
        Effect.gen(function* () {
          const { flush } = yield* OtlpExporter.Flusher
          yield* Effect.sleep(metrics.interval).pipe(
            Effect.andThen(measure),
            Effect.andThen(flush),
            Effect.forever,
            Effect.forkScoped,
          )
        }),
      ).pipe(
        // Its own timer never fires, so each delivery comes after a measurement, except the last one, at the end.
        Layer.provide(OtlpMetrics.layer({ ...options, exportInterval: Duration.infinity })),
        Layer.provide(layer),
      ),
    )
  }
  if (logs !== undefined) {
    const { layer, options } = common("logs", logs)
    layers.push(OtlpLogger.layer(options).pipe(Layer.provide(layer)))
  }
  // All would otherwise share Effect's flusher: a delivery of metrics would deliver, and wait for, traces and logs too.
  return layers.reduce((all, layer) => Layer.merge(all, Layer.fresh(layer)), Layer.empty as Layer.Layer<never>)
}

const serialization = (encoding: Destination["encoding"], scrub: Scrub) =>
  Layer.effect(
    OtlpSerialization.OtlpSerialization,
    Effect.map(OtlpSerialization.OtlpSerialization, ({ traces, metrics, logs }) => ({
      // Failure texts come from elsewhere and may contain secrets.
      traces: (data) =>
        traces({
          resourceSpans: data.resourceSpans.map((resource) => ({
            ...resource,
            scopeSpans: resource.scopeSpans.map((scope) => ({
              ...scope,
              spans: scope.spans.map((span) => ({
                ...span,
                attributes: scrubbed(span.attributes, scrub),
                status: scrub(span.status),
                events: span.events.map((event) => ({
                  ...event,
                  name: scrub.text(event.name),
                  attributes: scrubbed(event.attributes, scrub),
                })),
              })),
            })),
          })),
        }),
      metrics: (data) =>
        metrics({
          resourceMetrics: data.resourceMetrics.map((resource) => ({
            ...resource,
            scopeMetrics: resource.scopeMetrics.map((scope) => ({
              ...scope,
              metrics: scope.metrics.map((metric) => ({ ...metric, ...namedAsScraped(metric.name) })),
            })),
          })),
        }),
      logs: (data) =>
        logs({
          resourceLogs: data.resourceLogs.map((resource) => ({
            ...resource,
            scopeLogs: resource.scopeLogs.map((scope) => ({
              ...scope,
              logRecords: (scope.logRecords ?? []).map((record) => ({
                ...record,
                ...(record.body === undefined ? {} : { body: scrubbedValue(record.body, scrub) }),
                attributes: scrubbed(record.attributes, scrub),
              })),
            })),
          })),
        }),
    })),
  ).pipe(Layer.provide(encoding === "json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf))

/** Attributes without secrets: masked by name (OTLP has names as values of `key`) and by text. */
const scrubbed = (attributes: ReadonlyArray<OtlpResource.KeyValue>, scrub: Scrub): Array<OtlpResource.KeyValue> =>
  attributes.map(({ key, value }) => ({
    key,
    value: isSecretName(key) ? { stringValue: mask } : scrubbedValue(value, scrub),
  }))

const scrubbedValue = (value: OtlpResource.AnyValue, scrub: Scrub): OtlpResource.AnyValue => {
  if (typeof value.stringValue === "string") return { stringValue: scrub.text(value.stringValue) }
  if (value.arrayValue)
    return { arrayValue: { values: value.arrayValue.values.map((one) => scrubbedValue(one, scrub)) } }
  if (value.kvlistValue) return { kvlistValue: { values: scrubbed(value.kvlistValue.values, scrub) } }
  return value
}

/**
 * Metric names equal those of `/metrics`, so that one dashboard serves both. The unit is the one that the name ends in, or
 * none: OpenTelemetry-to-Prometheus converters append any other, and would turn each gauge with the unit 1 into a ratio.
 */
const namedAsScraped = (name: string) => ({
  name: metricName(name),
  unit: /_seconds(_total)?$/.test(name) ? "s" : /_bytes$/.test(name) ? "By" : "",
})

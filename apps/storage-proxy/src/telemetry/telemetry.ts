import type { InvalidProxy } from "@cscs/http-transport"
import { LogThreshold, logEvent, type ProxySettings } from "@cscs/proxy-server"
import { Context, Effect, Exit, Fiber, Layer, Logger, Redacted, Scope } from "effect"
import { fromLevel } from "../configuration.ts"
import { makeDelivery } from "./delivery.ts"
import { type OpenTelemetry, readOtelVariables } from "./otel-variables.ts"
import { type Scrub, scrubberOf } from "./scrubber.ts"
import { type OutageSince, reportingLogger } from "./sentry-events.ts"
import { sentryTraces } from "./sentry-traces.ts"

/** What telemetry asks of the proxy, once it serves. */
export interface Watched {
  readonly outageSince: OutageSince
  /** Brings gauges up to date that are measured only when somebody looks. */
  readonly measure: Effect.Effect<void>
}

/** How we are doing, told to others: OpenTelemetry's collectors, Sentry. Where neither is configured it does nothing. */
export class Telemetry extends Context.Service<
  Telemetry,
  {
    readonly watch: (proxy: Watched) => void
    readonly scrub: Scrub
    /** Delivers what is there and ends, within some two seconds; also when the scope ends. */
    readonly end: Effect.Effect<void>
  }
>()("@cscs/storage-proxy/Telemetry") {}

/** Who ends does not wait longer for collectors than this. */
const longestFarewell = 2000

/**
 * A layer for these settings; with it come a tracer and further loggers. It logs what of the variables `OTEL_*` is ignored.
 * What is not configured is not even loaded.
 */
export const telemetryFor = (settings: ProxySettings): Layer.Layer<Telemetry, InvalidProxy> => {
  const { sentry, variables } = settings.telemetry
  const { warnings, ...given } = readOtelVariables(variables)
  const warn = Effect.forEach(
    warnings,
    (warning) => Effect.logWarning(warning).pipe(logEvent("configuration-warning")),
    { discard: true },
  )
  const dsn = sentry === undefined ? undefined : Redacted.value(sentry.dsn)
  const otel: OpenTelemetry =
    dsn !== undefined && sentry !== undefined && sentry.tracesSampleRate > 0 && given.traces === undefined
      ? { ...given, traces: sentryTraces(dsn, sentry.tracesSampleRate) }
      : given
  const hasOtel = otel.traces !== undefined || otel.metrics !== undefined || otel.logs !== undefined
  const scrub = scrubberOf(settings)
  if (!hasOtel && dsn === undefined) {
    return Layer.effect(Telemetry, Effect.as(warn, { watch: () => {}, scrub, end: Effect.void }))
  }

  return Layer.effectContext(
    Effect.gen(function* () {
      yield* warn
      const deliver = yield* makeDelivery(settings, scrub)
      const scope = yield* Scope.make("parallel")
      const end = Scope.close(scope, Exit.void).pipe(
        Effect.forkDetach,
        Effect.flatMap((closing) => Fiber.join(closing).pipe(Effect.timeoutOption(longestFarewell))),
        Effect.asVoid,
      )
      yield* Effect.addFinalizer(() => end)
      let watched: Watched | undefined
      const layers: Array<Layer.Layer<never>> = []
      if (hasOtel) {
        const { otlpLayer } = yield* Effect.promise(() => import("./otlp.ts"))
        const measure = Effect.suspend(() => watched?.measure ?? Effect.void)
        layers.push(otlpLayer({ settings: otel, deliver, scrub, measure }))
      }
      if (dsn !== undefined) {
        const { sentryReporter } = yield* Effect.promise(() => import("./sentry.ts"))
        const { report, flush } = sentryReporter({ dsn, environment: sentry?.environment, deliver, scrub })
        yield* Scope.addFinalizer(
          scope,
          Effect.promise(() => flush(longestFarewell)),
        )
        layers.push(Logger.layer([reportingLogger(report, () => watched?.outageSince())], { mergeWithExisting: true }))
      }
      // One after the other, for each that brings a logger adds it to those that are there.
      const all = layers.reduce((before, layer) => Layer.provideMerge(layer, before), Layer.empty as Layer.Layer<never>)
      const context = yield* Layer.buildWithScope(all, scope)
      const threshold = yield* LogThreshold
      // Without a logger of telemetry's own, those that are there already.
      const outer = yield* Effect.context<never>()
      const loggers = [...Context.get(Context.merge(outer, context), Logger.CurrentLoggers)].map((logger) =>
        fromLevel(threshold, logger),
      )
      return Context.add(Context.add(context, Logger.CurrentLoggers, new Set(loggers)), Telemetry, {
        watch: (proxy) => {
          watched = proxy
        },
        scrub,
        end,
      })
    }),
  )
}

/** All telemetry of the process, as configured. */
import type { InvalidProxy } from "@cscs/http-transport"
import { LogThreshold, logEvent, type ProxySettings } from "@cscs/proxy-server"
import { Context, Effect, Exit, Fiber, Layer, Logger, Redacted, Scope } from "effect"
import { fromLevel } from "../configuration.ts"
import { makeDelivery } from "./delivery.ts"
import { type OpenTelemetry, readOtelVariables } from "./otel-variables.ts"
import { type Scrub, scrubberOf } from "./scrubber.ts"
import { type OutageSince, reportingLogger } from "./sentry-events.ts"
import { sentryTraces } from "./sentry-traces.ts"

/** What telemetry needs from the running proxy. */
export interface Watched {
  readonly outageSince: OutageSince
  /** Updates gauges that are only measured on demand. */
  readonly measure: Effect.Effect<void>
}

/** Exports the state of the process to OpenTelemetry collectors and Sentry. Does nothing if neither is configured. */
export class Telemetry extends Context.Service<
  Telemetry,
  {
    readonly watch: (proxy: Watched) => void
    readonly scrub: Scrub
    /** Delivers what is queued and ends, within about two seconds. The end of the scope does the same. */
    readonly end: Effect.Effect<void>
  }
>()("@cscs/storage-proxy/Telemetry") {}

/** The maximum time that shutdown waits for collectors. */
const longestFarewell = 2000

/**
 * The telemetry layer for these settings: a tracer and additional loggers. It logs which `OTEL_*` variables are
 * ignored. Modules for unconfigured destinations are not even loaded.
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
      // Sequentially, because each layer with a logger adds it to the existing ones.
      const all = layers.reduce((before, layer) => Layer.provideMerge(layer, before), Layer.empty as Layer.Layer<never>)
      const context = yield* Layer.buildWithScope(all, scope)
      const threshold = yield* LogThreshold
      // If telemetry adds no logger, the existing ones are kept.
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

/** Decides which traces are kept. */
import { Option, Tracer } from "effect"

/** Which traces are kept. */
export interface Sampler {
  /** The share of traces, from 0 to 1. */
  readonly ratio: number
  /** Whether the caller's sampling decision applies to its traces. */
  readonly isParentBased: boolean
}

/**
 * A tracer that applies the sampler. It decides by trace ID, so that all participants in a trace decide alike
 * (https://opentelemetry.io/docs/specs/otel/trace/sdk/#traceidratiobased).
 */
export const sampled = (tracer: Tracer.Tracer, { ratio, isParentBased }: Sampler): Tracer.Tracer =>
  Tracer.make({
    ...(tracer.context === undefined ? {} : { context: tracer.context }),
    span: (options) => {
      const parent = Option.getOrUndefined(options.parent)
      // A child span follows its local parent. A remote parent's decision applies only if the sampler respects it.
      if (parent !== undefined && (parent._tag === "Span" || isParentBased)) return tracer.span(options)
      const span = tracer.span({ ...options, sampled: true })
      return isKept(span.traceId, ratio) ? span : tracer.span({ ...options, sampled: false })
    },
  })

/** The last 56 bits are the random ones (W3C Trace Context level 2); these are as many as a number holds exactly. */
const isKept = (traceId: string, ratio: number) => Number.parseInt(traceId.slice(-13), 16) >= (1 - ratio) * 2 ** 52

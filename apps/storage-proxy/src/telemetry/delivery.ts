/** Sends telemetry to a collector; failures are logged once. */
import { makeTransport, transportFailureFrom } from "@cscs/http-transport"
import { logEvent, type ProxySettings } from "@cscs/proxy-server"
import { Effect } from "effect"
import type { Scrub } from "./scrubber.ts"

/** A `fetch` for one kind of telemetry. */
export type Deliver = (about: {
  /** `traces`, `metrics`, `logs` or `errors`, for the log. */
  readonly what: string
  /** Timeout of one attempt in milliseconds. */
  readonly timeout: number
}) => typeof fetch

/**
 * The transport for all telemetry. It uses the proxies from the environment, enforces a deadline, and never follows
 * redirects, which would carry the credentials elsewhere. An unreachable destination is logged once, and its recovery
 * once.
 */
export const makeDelivery = Effect.fnUntraced(function* ({ telemetry }: ProxySettings, scrub: Scrub) {
  const { fetch } = yield* makeTransport({
    upstream: "telemetry",
    baseUrl: "http://localhost/",
    proxy: telemetry.proxy,
    connections: 4,
    maxBodyBytes: 1024 * 1024,
  })
  const context = yield* Effect.context<never>()
  const say = (line: Effect.Effect<void>) => void Effect.runForkWith(context)(line)

  const deliver: Deliver = ({ what, timeout }) => {
    let isFailing = false
    const failed = (why: string) => {
      if (isFailing) return
      isFailing = true
      say(
        Effect.logWarning("Telemetry cannot be delivered").pipe(
          logEvent("telemetry-unavailable"),
          Effect.annotateLogs({ what, why: scrub.text(why) }),
        ),
      )
    }
    return async (input, init) => {
      const signals = [AbortSignal.timeout(timeout), ...(init?.signal ? [init.signal] : [])]
      try {
        const response = await fetch(input, { ...init, redirect: "manual", signal: AbortSignal.any(signals) })
        if (!response.ok) failed(`the response is ${response.status}`)
        else if (isFailing) {
          isFailing = false
          say(
            Effect.logInfo("Telemetry is delivered again").pipe(
              logEvent("telemetry-available"),
              Effect.annotateLogs({ what }),
            ),
          )
        }
        return response
      } catch (thrown) {
        // An aborted delivery (shutdown) is not a failure.
        if (init?.signal?.aborted !== true) {
          const { reason, detail } = transportFailureFrom(thrown, { upstream: "telemetry", call: "POST" }, [])
          failed(`${reason}: ${detail}`)
        }
        throw thrown
      }
    }
  }
  return deliver
})

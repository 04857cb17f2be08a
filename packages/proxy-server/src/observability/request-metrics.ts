import { Effect, Metric } from "effect"
import type { Context } from "hono"
import type { Observer } from "./observed-request.ts"

const requests = Metric.counter("http_requests_total", {
  description: "Requests by route, method and status.",
  incremental: true,
})
const durations = Metric.histogram("http_request_duration_seconds", {
  description: "Time from the request to the response headers, by route.",
  boundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120],
})

/**
 * Counts and times requests.
 *
 * @param routeOf the route of a path; any other path is `other`, so that callers cannot create labels
 */
export const countRequests = (routeOf: (path: string) => string | undefined): Effect.Effect<Observer> =>
  Effect.map(Effect.context<never>(), (context) => {
    const counters = new Map<string, Metric.Counter<number>>()
    const timers = new Map<string, Metric.Histogram<number>>()
    const count = (c: Context, status: number, seconds: number): void => {
      const route = routeOf(c.req.path) ?? "other"
      const method = c.req.method === "GET" || c.req.method === "HEAD" ? c.req.method : "other"
      const key = `${method} ${route} ${status}`
      let counter = counters.get(key)
      if (counter === undefined) {
        counter = Metric.withAttributes(requests, { route, method, status: String(status) })
        counters.set(key, counter)
      }
      let timer = timers.get(route)
      if (timer === undefined) {
        timer = Metric.withAttributes(durations, { route })
        timers.set(route, timer)
      }
      counter.updateUnsafe(1, context)
      timer.updateUnsafe(seconds, context)
    }
    return function countRequests(c, respond) {
      const began = performance.now()
      const counted = (response: Response) => {
        count(c, response.status, (performance.now() - began) / 1000)
        return response
      }
      const response = respond()
      return response instanceof Promise ? response.then(counted) : counted(response)
    }
  })

/** Metrics and health of `run`, over HTTP. */
import { createServer, type Server } from "node:http"
import { Data, Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import type { Statuses } from "../loop/conditions.ts"
import type { CycleOutcome } from "../loop/cycle.ts"
import type { ActResult } from "../loop/perform.ts"

/** The address is in use, or is not an address of this machine. */
export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly address: string
  readonly code: string
}> {
  override get message() {
    return `Cannot listen at ${this.address}: ${this.code}`
  }
}

const acts = Metric.counter("storage_provisioner_acts_total", {
  description: "Acts by kind and outcome",
  incremental: true,
})
const cycles = Metric.counter("storage_provisioner_cycles_total", { description: "Cycles", incremental: true })
const listFailures = Metric.counter("storage_provisioner_list_failures_total", {
  description: "Reads of the list that failed",
  incremental: true,
})
const planned = Metric.gauge("storage_provisioner_planned", { description: "Entries of the last plan by sign" })
const conditions = Metric.gauge("storage_provisioner_conditions", {
  description: "Entries by condition and status",
})
const lastCycle = Metric.gauge("storage_provisioner_last_cycle_timestamp_seconds", {
  description: "When the last cycle ended",
})

/** A repeated line is logged once in this time, in milliseconds. */
const day = 86_400_000
/** Repeated lines that are remembered. */
const maxLines = 10_000

export const monitoring = () => {
  const logged = new Map<string, number>()
  const startedAt = performance.now()
  let cycledAt: number | undefined
  const update = <A>(
    metric: Metric.Metric<number, A>,
    value: number,
    attributes: Readonly<Record<string, string>> = {},
  ) => Effect.runSync(Metric.update(Metric.withAttributes(metric, attributes), value))
  return {
    onAct: ({ act, outcome }: ActResult) => Effect.sync(() => update(acts, 1, { act: act.act, outcome })),
    listFailed: () => update(listFailures, 1),
    cycled: ({ plan }: CycleOutcome, statuses: Statuses) => {
      cycledAt = performance.now()
      update(cycles, 1)
      update(lastCycle, Math.round(Date.now() / 1000))
      for (const [sign, count] of Object.entries(plan.counts)) update(planned, count, { sign })
      const counts = new Map<string, number>()
      for (const item of Object.values(statuses)) {
        for (const [name, { status }] of Object.entries(item.conditions)) {
          const key = `${name} ${status}`
          counts.set(key, (counts.get(key) ?? 0) + 1)
        }
      }
      for (const condition of ["DirectoryReady", "QuotaApplied", "Reported"]) {
        for (const status of ["True", "False", "Unknown"]) {
          update(conditions, counts.get(`${condition} ${status}`) ?? 0, { condition, status })
        }
      }
    },
    /** Runs the effect unless it ran for the same text within a day. */
    oncePerDay: (text: string, effect: Effect.Effect<void>) =>
      Effect.suspend(() => {
        const now = performance.now()
        if (now - (logged.get(text) ?? Number.NEGATIVE_INFINITY) < day) return Effect.void
        if (logged.size >= maxLines) logged.clear()
        logged.set(text, now)
        return effect
      }),
    /** Serves until the scope ends. `/health` returns 503 if no cycle has ended within `staleAfter` milliseconds. */
    serve: (host: string, port: number, staleAfter: number) => {
      const name = host.includes(":") ? `[${host}]` : host
      return Effect.acquireRelease(
        Effect.callback<Server, CannotListen>((resume) => {
          const server = createServer((request, response) => {
            const end = (status: number, body: string) =>
              response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(body)
            if (request.url === "/metrics") {
              void Effect.runPromise(PrometheusMetrics.format()).then((text) => end(200, text))
            } else if (request.url === "/health") {
              const seconds = Math.round((performance.now() - (cycledAt ?? startedAt)) / 1000)
              const state = cycledAt === undefined ? "no cycle has ended since the start" : "the last cycle ended"
              end(seconds * 1000 > staleAfter ? 503 : 200, `${state} ${seconds} s ago\n`)
            } else end(404, "not found\n")
          })
          // Also later: a connection that cannot be accepted must not end the process.
          server.on("error", (error: NodeJS.ErrnoException) =>
            resume(Effect.fail(new CannotListen({ address: `${name}:${port}`, code: error.code ?? error.message }))),
          )
          server.listen(port, host, () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.sync(() => {
            server.close()
            server.closeAllConnections()
          }),
      ).pipe(
        Effect.map((server) => {
          const address = server.address()
          return `http://${name}:${typeof address === "object" && address !== null ? address.port : port}`
        }),
      )
    },
  }
}

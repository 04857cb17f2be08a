/**
 * The sandbox in a separate process, so that imitating Waldur takes no CPU time from the measuring process. Run by
 * `startHelper`; its commands are `SandboxCommands`.
 */
import { sandboxEnvironment } from "@cscs/harness"
import { buildWorld, type Call, type Sandbox, startSandbox, type WaldurRecord } from "@cscs/sandbox"
import { serveCommands } from "./helpers.ts"
import { kindOfCall } from "./upstream-calls.ts"

/** The simulated latency of Waldur. */
export interface Distance {
  readonly latencyMs: number
  readonly realPace: boolean
}

/** Requests of one kind since the last `clear`. */
export interface CallCount {
  readonly upstream: string
  readonly kind: string
  readonly calls: number
  /** Bytes of the response bodies. */
  readonly bytes: number
}

/** A requested list of Waldur's, without the page number. */
export interface AskedList {
  readonly path: string
  readonly query: string
  readonly pages: number
  readonly bytes: number
}

/**
 * The kinds of changes to a resource. `options`: a provider sets other quotas. `finish-update`: an executing update is
 * done. `finish-removal`: an executing termination is done. `recover`: an erred resource without an order is set to OK.
 * `vanish`: the row disappears from all lists, as after a change of rights; Waldur has no action for that.
 */
export type ChangeKind = "options" | "finish-update" | "finish-removal" | "recover" | "vanish"

let sandbox: Sandbox | undefined
const started = (): Sandbox => {
  if (sandbox === undefined) throw new Error("The sandbox is not started")
  return sandbox
}

const isExecuting = (row: WaldurRecord, type: string): boolean => {
  const order = row.order_in_progress as WaldurRecord | null | undefined
  return order?.state === "executing" && order.type === type
}

const fits: Readonly<Record<ChangeKind, (row: WaldurRecord) => boolean>> = {
  options: (row) => row.state === "OK" && row.order_in_progress == null,
  vanish: (row) => row.state === "OK" && row.order_in_progress == null,
  recover: (row) => row.state === "Erred" && row.order_in_progress == null,
  "finish-update": (row) => isExecuting(row, "Update"),
  "finish-removal": (row) => isExecuting(row, "Terminate"),
}

/** Posts like a provider, so that Waldur shows every trace of the change. */
const post = async (path: string, body: unknown = {}): Promise<void> => {
  const { waldur } = started()
  const response = await fetch(waldur.url + path, {
    method: "POST",
    headers: { Authorization: `Token ${waldur.actingToken}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text.slice(0, 300)}`)
}

let storage = 0

const perform = async ({ kind, uuid }: { kind: ChangeKind; uuid: string }): Promise<void> => {
  const { world } = started()
  const index = world.resources.findIndex((row) => row.uuid === uuid)
  const row = world.resources[index]
  if (row === undefined) throw new Error(`No resource ${uuid}`)
  const order = row.order_in_progress as WaldurRecord | null
  switch (kind) {
    case "options":
      storage += 1
      return post(`marketplace-provider-resources/${uuid}/update_options_direct/`, {
        options: { soft_quota_space: storage, hard_quota_space: storage + 1 },
      })
    case "recover":
      return post(`marketplace-provider-resources/${uuid}/set_state_ok/`)
    case "finish-update":
    case "finish-removal":
      return post(`marketplace-orders/${order?.uuid}/set_state_done/`)
    case "vanish":
      world.resources.splice(index, 1)
  }
}

/** Excludes the benchmark's own POSTs. */
const measured = (): ReadonlyArray<Call> =>
  started().calls.all.filter(({ method, upstream }) => upstream === "issuer" || method !== "POST")

const commands = {
  /**
   * Builds and serves a world with exactly this number of resources, all valid; returns the proxy's settings for it.
   */
  start: async (resources: number): Promise<Readonly<Record<string, string>>> => {
    sandbox = await startSandbox({ world: buildWorld({ resources, edgeCases: false }), worldChangesByHand: false })
    return sandboxEnvironment(sandbox)
  },

  /** Forgets the calls. */
  clear: (_: null): void => started().calls.clear(),

  /** The calls by upstream and kind, most bytes first. */
  stats: (_: null): ReadonlyArray<CallCount> => {
    const counts = new Map<string, { upstream: string; kind: string; calls: number; bytes: number }>()
    for (const call of measured()) {
      const kind = kindOfCall(call)
      const key = `${call.upstream} ${kind}`
      const count = counts.get(key) ?? { upstream: call.upstream, kind, calls: 0, bytes: 0 }
      count.calls += 1
      count.bytes += call.bytes
      counts.set(key, count)
    }
    return [...counts.values()].sort((a, b) => b.bytes - a.bytes)
  },

  /** The Waldur lists that were walked page by page. */
  lists: (_: null): ReadonlyArray<AskedList> => {
    const lists = new Map<string, { path: string; query: string; pages: number; bytes: number }>()
    for (const { upstream, method, path, query, bytes } of started().calls.all) {
      if (upstream !== "waldur" || method !== "GET" || !query.has("page_size")) continue
      const rest = new URLSearchParams(query)
      rest.delete("page")
      const list = lists.get(`${path}?${rest}`) ?? { path, query: rest.toString(), pages: 0, bytes: 0 }
      list.pages += 1
      list.bytes += bytes
      lists.set(`${path}?${rest}`, list)
    }
    return [...lists.values()]
  },

  /** Requests in flight. */
  inFlight: (_: null): number => started().calls.inFlight("waldur") + started().calls.inFlight("hpcUserApi"),

  /** Sets Waldur's latency, without other faults. */
  distance: ({ latencyMs, realPace }: Distance): void => {
    const { faults } = started()
    faults.clear()
    if (latencyMs > 0) faults.set("waldur", { latencyMs })
    if (realPace) faults.set("waldur", { pace: "real" })
  },

  /** Uuids of resources that can change in this way, spread over the whole list. */
  pick: ({ kind, count }: { kind: ChangeKind; count: number }): ReadonlyArray<string> => {
    const rows = started().world.resources.filter(fits[kind])
    const step = Math.max(1, Math.floor(rows.length / count))
    return rows
      .filter((_, index) => index % step === 0)
      .slice(0, count)
      .map((row) => String(row.uuid))
  },

  perform,
}

export type SandboxCommands = typeof commands

serveCommands(commands)

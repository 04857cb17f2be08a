/**
 * The sandbox in a separate process, so that imitating Waldur takes no CPU time from the measuring process. Run by
 * `startHelper`; its commands are `SandboxCommands`.
 */
import { sandboxEnvironment } from "@cscs/harness"
import { buildWorld, type Call, type Sandbox, startSandbox, type WaldurRecord, type World } from "@cscs/sandbox"
import { serveCommands } from "./helpers.ts"

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

const perform = async (kind: ChangeKind, uuid: string): Promise<void> => {
  const { world } = started()
  const index = world.resources.findIndex((row) => row.uuid === uuid)
  switch (kind) {
    case "options":
      storage += 1
      return post(`marketplace-provider-resources/${uuid}/update_options_direct/`, {
        options: { soft_quota_space: storage, hard_quota_space: storage + 1 },
      })
    case "recover":
      return post(`marketplace-provider-resources/${uuid}/set_state_ok/`)
    case "finish-update":
    case "finish-removal": {
      const order = world.resources[index]?.order_in_progress as WaldurRecord
      return post(`marketplace-orders/${order.uuid}/set_state_done/`)
    }
    case "vanish":
      world.resources.splice(index, 1)
  }
}

/** Ends the orders of all resources but some, as if they were done long ago. */
const keepOrders = ({ resources }: World, share: number): void => {
  const ordered = resources.filter((row) => row.order_in_progress != null)
  for (const row of ordered.slice(Math.round(resources.length * share))) {
    row.order_in_progress = null
    row.state = "OK"
  }
}

/** The purpose of an upstream request, in words. */
const kinds: ReadonlyArray<readonly [RegExp, string]> = [
  [/\/marketplace-(provider-)?resources\/$/, "pages of resources"],
  [/\/marketplace-(provider-)?resources\/[^/]+\/$/, "one resource"],
  [/\/customers\/$/, "pages of customers"],
  [/\/marketplace-provider-offerings\//, "offerings"],
  [/\/marketplace-orders\//, "orders"],
  [/\/export\/waldur\/projects/, "GIDs of projects"],
  [/\/openid-connect\//, "token"],
]

/** Pages of resources with an order in progress are large and not trimmable, so every count separates them. */
export const orderedPages = "pages of resources with an order in progress"
export const selectsOrdered = (query: URLSearchParams): boolean => query.has("order_state")

const kindOf = ({ method, path, query }: Call): string => {
  const kind = kinds.find(([pattern]) => pattern.test(path))?.[1] ?? path
  if (method === "HEAD") return `count of ${kind.replace("pages of ", "")}`
  return kind === "pages of resources" && selectsOrdered(query) ? orderedPages : kind
}

/** Excludes the benchmark's own POSTs. */
const measured = (): ReadonlyArray<Call> =>
  started().calls.all.filter(({ method, upstream }) => upstream === "issuer" || method !== "POST")

const commands = {
  /**
   * Builds and serves a world with exactly this number of resources, all valid; returns the proxy's settings for it, and
   * a token for its callers that outlives the run.
   */
  start: async (resources: number) => {
    sandbox = await startSandbox({ world: buildWorld({ resources, edgeCases: false }), worldChangesByHand: false })
    const token = await sandbox.issuer.issueToken({}, { expiresIn: 24 * 3600 })
    return { environment: sandboxEnvironment(sandbox, true), token }
  },

  /** Leaves an order in progress to this share of the resources. */
  keepOrders: (share: number): void => keepOrders(started().world, share),

  /** Forgets the calls. */
  clear: (_: null): void => started().calls.clear(),

  /** The calls by upstream and kind, most bytes first. */
  stats: (_: null): ReadonlyArray<CallCount> => {
    const counts = new Map<string, { upstream: string; kind: string; calls: number; bytes: number }>()
    for (const call of measured()) {
      const kind = kindOf(call)
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

  /** Changes resources, one after the other. */
  perform: async ({ kind, uuids }: { kind: ChangeKind; uuids: ReadonlyArray<string> }): Promise<void> => {
    for (const uuid of uuids) await perform(kind, uuid)
  },
}

export type SandboxCommands = typeof commands

serveCommands(commands)

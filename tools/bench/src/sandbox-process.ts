/**
 * The sandbox in a separate process, so that imitating Waldur takes no CPU time from the measuring process. Run by
 * `startHelper`; its commands are `SandboxCommands`.
 */
import { sandboxEnvironment } from "@cscs/harness"
import { buildWorld, type Call, type Sandbox, startSandbox, type WaldurRecord } from "@cscs/sandbox"
import { serveCommands } from "./helpers.ts"

/** Requests of one kind since the last `clear`, with the bytes of the response bodies. */
export type CallCount = ReturnType<SandboxCommands["stats"]>[number]

/** A requested list of Waldur's, without the page number. */
export type AskedList = ReturnType<SandboxCommands["lists"]>[number]

/** The kinds of changes to a resource: a provider sets other quotas; an executing update is done. */
export type ChangeKind = "options" | "finish-update"

let sandbox: Sandbox | undefined
const started = (): Sandbox => {
  if (sandbox === undefined) throw new Error("The sandbox is not started")
  return sandbox
}

const fits = (kind: ChangeKind, { state, order_in_progress }: WaldurRecord): boolean => {
  const order = order_in_progress as WaldurRecord | null
  return kind === "finish-update"
    ? order?.state === "executing" && order.type === "Update"
    : state === "OK" && order === null
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

/** Pages of resources with an order in progress are large and not trimmable, so they are a kind of their own. */
export const orderedPages = "pages of resources with an order in progress"

/** The kind of a call: `orderedPages`, or the path without its UUID, with `HEAD` in front if it only asks for a count. */
const kindOf = ({ method, path, query }: Call): string => {
  if (method === "GET" && path.endsWith("resources/") && query.has("order_state")) return orderedPages
  return `${method === "HEAD" ? "HEAD " : ""}${path.replace(/[0-9a-f]{32}/, "…")}`
}

/** Of the issuer only the POSTs (tokens), not its keys; of the others all but POSTs, which are the benchmark's own. */
const measured = (): ReadonlyArray<Call> =>
  started().calls.all.filter(({ method, upstream }) => (method === "POST") === (upstream === "issuer"))

const bytesOf = (calls: ReadonlyArray<Call>) => calls.reduce((sum, { bytes }) => sum + bytes, 0)

/** Counts up, so that each change sets other quotas. */
let lastQuota = 0

const commands = {
  /**
   * Builds and serves a world with exactly this number of resources, all valid; returns the proxy's settings for it, and
   * a token for its callers that outlives the run; and Waldur's token of a user that sees everything.
   */
  start: async (resources: number) => {
    sandbox = await startSandbox({ world: buildWorld({ resources, edgeCases: false }), worldChangesByHand: false })
    const token = await sandbox.issuer.issueToken({}, { expiresIn: 24 * 3600 })
    return { environment: sandboxEnvironment(sandbox, true), token, staffToken: sandbox.waldur.tokens.staff }
  },

  /** Leaves an order in progress to this share of the resources; the others are as if done long ago. */
  keepOrders: (share: number): void => {
    const { resources } = started().world
    const ordered = resources.filter((row) => row.order_in_progress != null)
    for (const row of ordered.slice(Math.round(resources.length * share))) {
      Object.assign(row, { order_in_progress: null, state: "OK" })
    }
  },

  /** Forgets the calls. */
  clear: (): void => started().calls.clear(),

  /** The calls by kind, most bytes first. */
  stats: () =>
    [...Map.groupBy(measured(), kindOf)]
      .map(([kind, calls]) => ({ kind, calls: calls.length, bytes: bytesOf(calls) }))
      .sort((a, b) => b.bytes - a.bytes),

  /** The Waldur lists that were read page by page with status 200. */
  lists: () => {
    const walked = started().calls.all.filter(
      ({ upstream, method, query, status }) =>
        upstream === "waldur" && method === "GET" && status === 200 && query.has("page_size"),
    )
    const lists = Map.groupBy(walked, ({ path, query }) => {
      const others = [...query].filter(([name]) => name !== "page")
      return `${path}?${new URLSearchParams(others)}`
    })
    return [...lists].map(([list, calls]) => {
      const [path = "", query = ""] = list.split("?", 2)
      return { path, query, bytes: bytesOf(calls) }
    })
  },

  /** Requests in flight. */
  inFlight: (): number => started().calls.inFlight("waldur") + started().calls.inFlight("hpcUserApi"),

  /** Sets Waldur's latency in milliseconds. */
  latency: (latencyMs: number): void => {
    const { faults } = started()
    faults.clear()
    if (latencyMs > 0) faults.set("waldur", { latencyMs })
  },

  /** UUIDs of at most `count` resources that can change in this way, spread over the whole list. */
  pick: (kind: ChangeKind, count: number): ReadonlyArray<string> => {
    const uuids = started().world.resources.flatMap((row) => (fits(kind, row) ? [String(row.uuid)] : []))
    const step = Math.max(1, Math.floor(uuids.length / count))
    return uuids.filter((_, index) => index % step === 0).slice(0, count)
  },

  /** Changes resources, one after the other. */
  perform: async (kind: ChangeKind, uuids: ReadonlyArray<string>): Promise<void> => {
    for (const uuid of uuids) {
      const { order_in_progress: order } = started().world.resources.find((row) => row.uuid === uuid) ?? {}
      const options = { soft_quota_space: ++lastQuota, hard_quota_space: lastQuota + 1 }
      await (kind === "options"
        ? post(`marketplace-provider-resources/${uuid}/update_options_direct/`, { options })
        : post(`marketplace-orders/${(order as WaldurRecord).uuid}/set_state_done/`))
    }
  },
}

export type SandboxCommands = typeof commands

serveCommands(commands)

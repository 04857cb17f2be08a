/** A mock of VAST's REST API for quotas. */
import { Hono } from "hono"
import { type CallLog, callRecorder } from "../call-log.ts"
import { type Faults, faultBook } from "../faults.ts"
import { asObject, type JsonObject } from "../json.ts"
import { type Exchange, startListener } from "../listening-server.ts"

/** A quota as VAST returns it: bytes and inodes, 0 and null for no limit. */
export interface VastQuota {
  id: number
  name: string
  path: string
  tenant_id: number
  soft_limit: number | null
  hard_limit: number | null
  soft_limit_inodes: number | null
  hard_limit_inodes: number | null
  used_effective_capacity: number
  used_inodes: number
}

/** A mock of a VAST cluster's management system. */
export interface Vast {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  readonly token: string
  readonly user: string
  readonly password: string
  /** The quotas by ID. Change them at any time. */
  readonly quotas: Map<number, VastQuota>
  /** A log of alarms: the path of a quota, twice, for each soft limit that a request made equal to the hard one. */
  readonly alarms: Array<string>
  /** Directories that VAST created, owned by root, because a quota had `create_dir`. */
  readonly madeDirectories: Array<string>
  /** Whether it ignores the filter `path`, like versions without that filter. */
  ignoresPath: boolean
  /** The upstream is `vast`. */
  readonly faults: Faults
  readonly calls: CallLog
  close(): Promise<void>
}

const LIMITS = ["soft_limit", "hard_limit", "soft_limit_inodes", "hard_limit_inodes"] as const
/** The tenant of a quota without one. */
const DEFAULT_TENANT = 1

/** Starts the mock with API version `v5`. */
export async function startVast(port = 0): Promise<Vast> {
  const [token, user, password] = ["vast-api-token-0123456789", "provisioner", "vast-password-0123456789"]
  const [calls, faults] = [callRecorder(), faultBook()]
  const quotas = new Map<number, VastQuota>()
  const vast = { quotas, alarms: [] as string[], madeDirectories: [] as string[], ignoresPath: false }
  let lastId = 0

  const app = new Hono<{ Bindings: Exchange }>()
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
  app.use(async (c, next) => {
    const given = c.req.header("Authorization") ?? ""
    if (given !== `Api-Token ${token}` && given !== basic) return c.json({ detail: "Invalid credentials" }, 401)
    return next()
  })
  /** Sets the limits that the body names, all or none; returns what is wrong. */
  const setLimits = (quota: VastQuota, body: JsonObject): string | undefined => {
    const next = { ...quota }
    for (const name of LIMITS) {
      const value = body[name]
      if (value === undefined) continue
      if (value !== null && (typeof value !== "number" || !Number.isInteger(value) || value < 0))
        return `${name}: a valid integer is required`
      next[name] = value
    }
    const pairs = [
      [next.soft_limit, next.hard_limit],
      [next.soft_limit_inodes, next.hard_limit_inodes],
    ] as const
    if (pairs.some(([soft, hard]) => soft && hard && soft > hard)) return "the soft limit exceeds the hard limit"
    for (const [soft, hard] of pairs) if (soft && soft === hard) vast.alarms.push(quota.path, quota.path)
    Object.assign(quota, next)
    return undefined
  }

  app.get("/api/v5/quotas/", (c) => {
    const { path, tenant_id: tenant } = c.req.query()
    const rows = [...quotas.values()].filter(
      (quota) =>
        (vast.ignoresPath || path === undefined || quota.path === path) &&
        (tenant === undefined || quota.tenant_id === Number(tenant)),
    )
    return c.json(rows)
  })
  app.post("/api/v5/quotas/", async (c) => {
    const body = asObject(await c.req.json()) ?? {}
    const { name, path, tenant_id: tenant = DEFAULT_TENANT } = body
    if (typeof name !== "string" || typeof path !== "string")
      return c.json({ detail: "name and path are required" }, 400)
    if (typeof tenant !== "number") return c.json({ detail: "tenant_id: a valid integer is required" }, 400)
    if ([...quotas.values()].some((quota) => quota.path === path && quota.tenant_id === tenant))
      return c.json({ detail: `Quota for path ${path} already exists` }, 400)
    const unlimited = { soft_limit: null, hard_limit: null, soft_limit_inodes: null, hard_limit_inodes: null }
    const used = { used_effective_capacity: 4096, used_inodes: 1 }
    const quota: VastQuota = { id: ++lastId, name, path, tenant_id: tenant, ...unlimited, ...used }
    const detail = setLimits(quota, body)
    if (detail !== undefined) return c.json({ detail }, 400)
    if (body.create_dir === true) vast.madeDirectories.push(path)
    quotas.set(quota.id, quota)
    return c.json(quota, 201)
  })
  app.patch("/api/v5/quotas/:id/", async (c) => {
    const quota = quotas.get(Number(c.req.param("id")))
    if (quota === undefined) return c.json({ detail: "Not found." }, 404)
    const detail = setLimits(quota, asObject(await c.req.json()) ?? {})
    return detail === undefined ? c.json(quota) : c.json({ detail }, 400)
  })
  app.delete("/api/v5/quotas/:id/", (c) =>
    quotas.delete(Number(c.req.param("id"))) ? c.body(null, 204) : c.json({ detail: "Not found." }, 404),
  )
  app.notFound((c) => c.json({ detail: "Not found." }, 404))

  const { origin, close } = await startListener({
    upstream: "vast",
    port,
    handle: (request, exchange) => app.fetch(request, exchange),
    calls,
    faults,
    now: Date.now,
  })
  return Object.assign(vast, { url: origin, token, user, password, faults, calls, close })
}

/**
 * VAST by its REST API: a quota is an object that is tied to a path. It is created once the directory is at its place, and
 * deleted before the directory is renamed, because VAST does not rename across the borders of quotas.
 */
import {
  type HttpCall,
  makeTransport,
  type TlsProfile,
  type TransportFailure,
  withoutTrailingSlashes,
} from "@cscs/http-transport"
import { Effect, Redacted, Schema } from "effect"
import { Conflict, type DriverError, type Quotas, Refused, UnknownOutcome } from "./driver.ts"
import type { Place, QuotaSystem } from "./quota-system.ts"

export interface VastSettings {
  readonly root: string
  /** Such as `https://vms.example.org`. */
  readonly apiUrl: string
  /** The version of the API; other versions may differ in fields. Default `v5`. */
  readonly apiVersion?: string
  /** An API token, or the name and password of a user of VAST. */
  readonly login:
    | { readonly token: Redacted.Redacted }
    | { readonly user: string; readonly password: Redacted.Redacted }
  /** The path of the root in VAST, if it is mounted under a different path. Default: the root. */
  readonly exportedAs?: string
  readonly tenantId?: number
  /** How the certificate is checked. Default: against the system's authorities. */
  readonly tls?: TlsProfile
}

/** A whole number, which may exceed the safe integers. */
const Amount = Schema.optionalKey(
  Schema.NullOr(Schema.Number.check(Schema.makeFilter((amount) => Number.isInteger(amount)))),
)
/** A quota of VAST, in bytes and inodes; 0 and null mean no limit. */
const VastQuota = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  path: Schema.String,
  tenant_id: Amount,
  soft_limit: Amount,
  hard_limit: Amount,
  soft_limit_inodes: Amount,
  hard_limit_inodes: Amount,
  used_effective_capacity: Amount,
  used_capacity: Amount,
  used_inodes: Amount,
})
/** All quotas, or a page of them, with the URL of the next page. */
const VastQuotas = Schema.Union([
  Schema.Array(VastQuota),
  Schema.Struct({ results: Schema.Array(VastQuota), next: Schema.optionalKey(Schema.NullOr(Schema.String)) }),
])

const fields = {
  spaceSoft: "soft_limit",
  spaceHard: "hard_limit",
  inodesSoft: "soft_limit_inodes",
  inodesHard: "hard_limit_inodes",
} as const

export const vastSystem = Effect.fnUntraced(function* (settings: VastSettings) {
  const { root, apiUrl, apiVersion = "v5", login, exportedAs = root, tenantId, tls } = settings
  const secret = Redacted.value("token" in login ? login.token : login.password)
  const authorization =
    "token" in login ? `Api-Token ${secret}` : `Basic ${Buffer.from(`${login.user}:${secret}`).toString("base64")}`
  const { call } = yield* makeTransport({
    upstream: "vast",
    baseUrl: `${withoutTrailingSlashes(apiUrl)}/api/${apiVersion}/`,
    headers: { authorization },
    secrets: [Redacted.make(secret)],
    ...(tls === undefined ? {} : { tls }),
  }).pipe(Effect.mapError(({ message }) => new Refused({ step: "vast", detail: message })))
  const send = (one: HttpCall) => Effect.mapError(call(one), errorOf)

  const pathOf = ({ path }: Place) => `${exportedAs.replace(/\/$/, "")}${path.slice(root.length)}`
  const nameOf = ({ itemId }: Place) => `cscs-${itemId}`

  /** The quota of exactly this path. `Conflict` if it is not ours: then another program manages it. */
  const find = Effect.fnUntraced(function* (place: Place) {
    const path = pathOf(place)
    const step = `quota of ${path}`
    const query: Array<[string, string]> = [["path", path]]
    if (tenantId !== undefined) query.push(["tenant_id", String(tenantId)])
    const { body } = yield* send({ method: "GET", path: "quotas/", query })
    const read = yield* Effect.mapError(
      Schema.decodeUnknownEffect(VastQuotas)(body),
      () => new UnknownOutcome({ step, detail: "the response is not a list of quotas" }),
    )
    const page = "results" in read ? read : { results: read }
    if (typeof page.next === "string")
      return yield* new Refused({
        step,
        detail:
          "VAST lists several pages of quotas, and only the first is read: use an api_version that filters by path",
      })
    // A version of VAST without this filter returns all quotas.
    const found = page.results.filter(
      (one) =>
        one.path.replace(/\/$/, "") === path && (tenantId === undefined || (one.tenant_id ?? tenantId) === tenantId),
    )
    const foreign = found.find(({ name }) => name !== nameOf(place))
    if (foreign === undefined && found.length < 2) return found[0]
    const detail =
      foreign === undefined
        ? "the path has several quotas"
        : `the path has the quota ${foreign.name}, which this driver did not create`
    return yield* new Conflict({ step, detail })
  })

  return {
    name: "vast",
    capabilities: {
      enforces: ["spaceSoft", "spaceHard", "inodesSoft", "inodesHard"],
      // Multiples of 1024 are exact as doubles up to 2^63. As JSON text, which has at most 17 digits, they may be less than 1 KiB off
      // from 2^54 (18 PB) on, and are read back as the same double.
      granularity: { bytes: 1024n, inodes: 1n },
      countsInodes: true,
    },
    // A soft limit that equals the hard one would raise two alarms.
    normalise: ({ spaceSoft, inodesSoft, ...others }) => ({
      ...others,
      ...(spaceSoft === undefined || spaceSoft === others.spaceHard ? {} : { spaceSoft }),
      ...(inodesSoft === undefined || inodesSoft === others.inodesHard ? {} : { inodesSoft }),
    }),
    setQuotas: Effect.fnUntraced(function* (place: Place, quotas: Quotas) {
      const limits = Object.fromEntries(
        Object.entries(fields).map(([kind, field]) => {
          const limit = quotas[kind as keyof Quotas]
          return [field, limit === undefined ? null : Number(limit)]
        }),
      )
      const there = yield* find(place)
      if (there !== undefined) return yield* send({ method: "PATCH", path: `quotas/${there.id}/`, json: limits })
      const tenant = tenantId === undefined ? {} : { tenant_id: tenantId }
      // The directory exists already. Otherwise VAST would create it, owned by root.
      const json = { name: nameOf(place), path: pathOf(place), ...limits, ...tenant, create_dir: false }
      return yield* send({ method: "POST", path: "quotas/", json })
    }, Effect.asVoid),
    readQuotas: (place) =>
      Effect.map(find(place), (found): Quotas => {
        const limits = Object.entries(fields).map(([kind, field]) => [kind, BigInt(found?.[field] ?? 0)] as const)
        return Object.fromEntries(limits.filter(([, limit]) => limit > 0n))
      }),
    usage: (place) =>
      Effect.flatMap(find(place), (found) =>
        found === undefined
          ? Effect.fail(
              new Conflict({
                step: `usage of ${place.path}`,
                detail: "it has no quota, so VAST does not count its usage",
              }),
            )
          : Effect.succeed({
              bytes: BigInt(found.used_effective_capacity ?? found.used_capacity ?? 0),
              inodes: BigInt(found.used_inodes ?? 0),
            }),
      ),
    release: (place) =>
      Effect.flatMap(find(place), (found) =>
        found === undefined ? Effect.void : send({ method: "DELETE", path: `quotas/${found.id}/` }),
      ),
  } satisfies QuotaSystem
})

/** What a failed call means. A response with 3xx or 4xx, except 408 and 429, which ask to repeat the call, has changed nothing. */
const errorOf = (failure: TransportFailure): DriverError => {
  const about = { step: failure.call, detail: failure.message }
  const { status = 0, reason } = failure
  if (status === 400 || status === 404 || status === 409) return new Conflict(about)
  const isFinal = status >= 300 && status < 500 && status !== 408 && status !== 429
  return isFinal || reason === "tls" || reason === "unsendable" ? new Refused(about) : new UnknownOutcome(about)
}

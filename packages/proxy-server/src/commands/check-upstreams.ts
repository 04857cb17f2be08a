/** The checks of `storage-proxy check`: every upstream is tested for real. */
import { connect } from "node:net"
import { type GidCacheStats, HpcUserClient } from "@cscs/hpc-user-client"
import { addressTimeout, proxyForDisplay } from "@cscs/http-transport"
import { dashedUuid, type StorageSystem } from "@cscs/storage-model"
import { type OfferingSummary, WaldurClient, type WaldurError } from "@cscs/waldur-client"
import { Effect, Layer, Result } from "effect"
import { Authentication } from "../auth/authentication.ts"
import { type ProxySettings, Settings } from "../config/settings.ts"
import { shortList } from "../config-sources/sources.ts"
import { emptyGidCache, GidSource } from "../refresh/gid-source.ts"
import { chunksOf } from "../refresh/loss-guard.ts"
import { firstRead } from "../refresh/read-snapshot.ts"
import { hpcUserApiAdvice } from "../refresh/refresh-errors.ts"
import { emptyOffering, type Snapshot } from "../snapshot/snapshot.ts"
import { hpcUserLayer } from "../wiring/proxy-layer.ts"
import { checkCache } from "./check-cache.ts"
import { attempted, type CheckResult, failed, type MeasuredCall, measured, passed, withCalls } from "./check-result.ts"
import { otherThanWaldur } from "./other-service.ts"
import { onceLayer } from "./read-once.ts"

/** The result of all checks. */
export interface Checked {
  readonly results: ReadonlyArray<CheckResult>
  /** The GIDs from its own read of the upstreams. */
  readonly gidCache: GidCacheStats
}

/**
 * Tests each upstream: the proxies on the way; Waldur and the HPC User API with the queries of the first refresh of
 * `serve`, including the result for each configured offering; the HPC User API's token endpoint; the issuer of callers'
 * tokens, the file and the shared cache if they are configured. Never fails: a failure is a result. Changes nothing
 * anywhere.
 */
export const checked = (settings: ProxySettings): Effect.Effect<Checked> =>
  Effect.map(
    Effect.all(
      [
        checkProxies(settings),
        checkWaldur(settings),
        checkHpcUserApi(settings),
        checkIssuer(settings),
        checkCache(settings),
      ],
      { concurrency: "unbounded" },
    ),
    ([proxies, waldur, hpcUserApi, issuer, cache]) => ({
      results: [...proxies, ...waldur.results, ...hpcUserApi, ...checkMockGids(settings), issuer, ...cache],
      gidCache: waldur.gidCache,
    }),
  )

const checkWaldur = (settings: ProxySettings): Effect.Effect<Checked> =>
  Effect.gen(function* () {
    const waldur = yield* WaldurClient
    const { cacheStats } = yield* GidSource
    const calls: Array<MeasuredCall> = []
    const recorded = <A, E, R>(call: MeasuredCall["call"], effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(measured(call, effect), ({ result, took }) => {
        calls.push(took)
        return Effect.fromResult(result)
      })
    const reading = Effect.gen(function* () {
      const read = yield* Effect.all(
        [versionOf(recorded("version", waldur.version())), recorded("offerings", waldur.offerings())],
        { concurrency: "unbounded" },
      )
      return [...read, yield* recorded("first read", firstRead)] as const
    })
    const found = yield* Effect.result(reading)
    if (Result.isFailure(found)) {
      const error = found.failure
      const other = isOfAnotherService(error) ? yield* otherThanWaldur(settings, waldur.apiUrl) : undefined
      const result =
        other === undefined
          ? failed("Waldur", error.message, adviceOn(error))
          : failed("Waldur", `${waldur.apiUrl} is not the API of a Waldur: ${other.seen}`, other.advice)
      return { results: [withCalls(result, calls)], gidCache: emptyGidCache }
    }
    const [version, offerings, { snapshot, resources }] = found.success
    const reads = resources.reads === 1 ? "" : ` in ${resources.reads} reads`
    const read = `${resources.rows.length} resources read${reads}, ${snapshot.skipped.length} of them skipped`
    const advice = "The list is read anyway; check whether a gateway or an old Waldur is the cause."
    return {
      results: [
        withCalls(passed("Waldur", `${version} at ${waldur.apiUrl}; ${read}`), calls),
        ...(yield* waldur.concessions()).map((detail) => passed("Waldur's queries", detail, advice)),
        ...settings.model.storageSystems.map((system) => checkOffering(system, offerings, snapshot)),
      ],
      gidCache: yield* cacheStats,
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(onceLayer(settings)),
    Effect.catch((error) =>
      Effect.succeed({ results: [failed("Waldur", error.message, adviceOn(error))], gidCache: emptyGidCache }),
    ),
  )

/** Waldur's version. Nothing else depends on it: `serve` does not request it. */
const versionOf = (version: Effect.Effect<string, WaldurError>) =>
  Effect.map(version, (number) => `version ${number}`).pipe(
    Effect.catch((error) =>
      Effect.succeed(
        error._tag === "WaldurRejected" && error.status === 403
          ? "an unknown version, which the token's user may not read"
          : "an unknown version",
      ),
    ),
  )

/** A resource is served if its offering's UUID is one that the token's user provides under the configured slug. */
const checkOffering = (
  { name: system, offeringSlug, offeringUuid }: StorageSystem,
  offerings: ReadonlyArray<OfferingSummary>,
  { counts, entries, skipped, offeringWarnings }: Snapshot,
): CheckResult => {
  const name = `offering ${offeringSlug}`
  const own = offerings.filter(({ slug }) => slug === offeringSlug)
  const named = own.map(
    ({ uuid, name: title, customerName }) => `${dashedUuid(uuid) ?? uuid} (${customerName ?? title})`,
  )
  const total = counts.get(offeringSlug) ?? 0
  const skippedHere = skipped.filter((finding) => finding.offering_slug === offeringSlug).length
  const detail = `${total} resources${skippedHere === 0 ? "" : `, ${skippedHere} records skipped`}`
  const role = "the role CUSTOMER.READER in the provider's organization"
  if (own.length === 0) {
    return failed(
      name,
      "the token sees no such offering; its list would always be empty",
      `Give the token's user ${role}, or correct the slug in storage_systems.`,
    )
  }
  if (offeringUuid !== undefined && !own.some(({ uuid }) => dashedUuid(uuid) === offeringUuid)) {
    return failed(
      name,
      `the token's user does not provide ${offeringUuid}, but ${shortList(named, 5).join(" and ")}`,
      `Correct storage_systems.${system}.uuid, or give the token's user the role CUSTOMER.READER in its provider's organization.`,
    )
  }
  if (offeringUuid === undefined && own.length > 1) {
    return passed(
      name,
      `${detail}, of ${own.length} offerings with this slug: ${shortList(named, 5).join(" and ")}`,
      `Name the intended one: storage_systems: {${system}: {slug: ${offeringSlug}, uuid: …}}.`,
    )
  }
  if (offeringWarnings.includes(emptyOffering(offeringSlug))) {
    return passed(name, "visible, but without resources", `If it has resources, give the token's user ${role}.`)
  }
  // Its tenants and customers are served even then.
  if (skippedHere > 0 && chunksOf(entries.chunks, offeringSlug).every(({ resources }) => resources.length === 0)) {
    return passed(
      name,
      `${detail}: none is served`,
      "The reason of one: storage-proxy explain SLUG. If its path is refused but right, correct backend_settings.mount_roots.",
    )
  }
  return passed(name, detail)
}

/** Whether another service than Waldur may have sent the response. */
const isOfAnotherService = ({ _tag }: { readonly _tag: string }): boolean =>
  _tag === "WaldurRejected" || _tag === "WaldurUnexpectedResponse"

const adviceOn = (error: { readonly _tag: string; readonly status?: number }): string => {
  switch (error._tag) {
    case "WaldurTooOld":
      return "Upgrade Waldur to version 8; nothing is served from this one."
    case "WaldurRejected":
      return error.status === 401
        ? "Set waldur_api_token to a valid token of a Waldur user."
        : error.status === 400
          ? "Check which parameter Waldur refuses: nothing can be read without it."
          : "Give the token's user the role CUSTOMER.READER in the provider's organization."
    case "WaldurUnexpectedResponse":
      return "Check that waldur_api_url is the address of a Waldur, and check any gateway in front of it."
    case "InvalidProxy":
      return "Correct waldur_socks_proxy."
    default:
      return "Check waldur_api_url, waldur_socks_proxy, waldur_verify_ssl and the network path."
  }
}

const checkHpcUserApi = (settings: ProxySettings): Effect.Effect<ReadonlyArray<CheckResult>> => {
  const layer = hpcUserLayer(settings)
  if (layer === undefined) return Effect.succeed([])
  const call = Effect.provide(
    HpcUserClient.use((client) => client.ping()),
    layer,
  )
  return Effect.map(
    attempted("HPC User API", "token and lookup", call, "token and response received", hpcUserApiAdvice),
    (result) => [result],
  )
}

/** A mock GID gives the data of one group to another, so it must be asked for by name, not by an oversight. */
const checkMockGids = ({ mockGids, mockGidsByName, hpcUserApi }: ProxySettings): ReadonlyArray<CheckResult> => {
  if (!mockGids) return []
  const name = "mock GIDs"
  const detail =
    hpcUserApi === undefined
      ? "no HPC User API is configured: all GIDs are mocks"
      : "a mock replaces any GID that the HPC User API does not have"
  return [
    mockGidsByName
      ? passed(name, detail, "hpc_user_api.fallback is mock: for development only.")
      : failed(
          name,
          detail,
          "Configure hpc_user_api, and remove development_mode; for development, ask for mocks by name: hpc_user_api.fallback: mock.",
        ),
  ]
}

const checkIssuer = (settings: ProxySettings): Effect.Effect<CheckResult> => {
  const name = "token issuer"
  const { auth } = settings
  if (auth.disabled) {
    return Effect.succeed(passed(name, "not asked: authentication is disabled, for development only"))
  }
  const how = auth.introspection === undefined ? "its keys were fetched" : "introspection works"
  const call = Authentication.use(({ ready }) => ready).pipe(
    Effect.provide(Authentication.layer.pipe(Layer.provide(Layer.succeed(Settings)(settings)))),
  )
  return attempted(
    name,
    "issuer",
    call,
    `${auth.issuer}: ${how}; tokens must be for ${auth.audience.join(" or ")}`,
    () =>
      "Check auth.keycloak_url, keycloak_realm, issuer, socks_proxy and the network path; for introspection also the client and its secret.",
  )
}

/** Warnings about settings that only a person can assess. */
export const configurationWarnings = ({ warnings, model }: ProxySettings): ReadonlyArray<string> => [
  ...warnings,
  ...(model.mountRoots.length > 0
    ? []
    : [
        "backend_settings.mount_roots is not set: a mount point may be anywhere except in a system directory; name the directories that contain the storage",
      ]),
]

/**
 * Checks once for each configured proxy that it accepts connections. What it lets through shows in the other checks.
 */
const checkProxies = ({ waldur, hpcUserApi, auth }: ProxySettings): Effect.Effect<ReadonlyArray<CheckResult>> => {
  const proxies = [waldur.proxy, hpcUserApi?.proxy, auth.disabled ? undefined : auth.proxy].filter(
    (proxy) => typeof proxy === "string",
  )
  return Effect.forEach([...new Set(proxies)], (proxy) => {
    const { hostname, port, protocol } = new URL(proxy)
    const name = `proxy ${proxyForDisplay(proxy)}`
    const host = hostname.replace(/^\[(.*)\]$/, "$1")
    return attempted(
      name,
      "connection",
      connects(host, Number(port) || (defaultPorts[protocol] ?? 1080)),
      "accepts connections",
      () => "Check that the proxy runs, its host and port, and that nothing blocks the way.",
    )
  })
}

const defaultPorts: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 }

/** Milliseconds until a proxy must accept a connection: short, because an operator waits for it. */
const connectTimeout = 5_000

const connects = (host: string, port: number): Effect.Effect<void, Error> =>
  Effect.callback<void, Error>((resume) => {
    const socket = connect({ host, port, autoSelectFamilyAttemptTimeout: addressTimeout(connectTimeout) })
    socket.once("connect", () => resume(Effect.void))
    socket.once("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: connectTimeout,
      orElse: () => Effect.fail(new Error(`no connection within ${connectTimeout / 1000} seconds`)),
    }),
  )

/** The client service: methods, options, and the parts behind them. */
import {
  defaultRetryPolicy,
  type EnvironmentProxies,
  type InvalidProxy,
  makeTokenSource,
  makeTransport,
  type RetryPolicy,
  type Secret,
  type TlsProfile,
  urlForDisplay,
  withoutTrailingSlashes,
} from "@cscs/http-transport"
import { Context, Duration, Effect, Layer } from "effect"
import { exportPath, planBatches } from "./batches.ts"
import { apiErrorFrom, type HpcUserApiError } from "./errors.ts"
import type { GidLookup } from "./export-response.ts"
import { type GidCacheStats, makeGidCache } from "./gid-cache.ts"
import { makeProjectExport } from "./project-export.ts"

/** The address of the HPC User API, the client's credentials, and the limits of calls. */
export interface HpcUserClientOptions {
  /** The API's URL without `/api/v1/...`, with or without a trailing slash. */
  readonly apiUrl: string
  readonly clientId: string
  /** A rotating secret is read with each token request; a token from an earlier secret is dropped. */
  readonly clientSecret: Secret
  /** The OAuth 2.0 token endpoint itself, without discovery. `http://` is accepted for test systems. */
  readonly tokenUrl: string
  /** The scope of the token. Default `openid`. */
  readonly scope?: string
  /** The smallest valid GID; smaller ones are system groups. Default 1000. */
  readonly minGid?: number
  /** The largest valid GID. Default 2147483647; 65534 and 65535 (`nobody`) are never valid. */
  readonly maxGid?: number
  /**
   * One proxy for API and token endpoint (`socks4://`, `socks4a://`, `socks5://`, `socks5h://`, `http://` or `https://`), or
   * the environment's proxies for each of the two (`environmentProxies` of `@cscs/http-transport`). Default: direct; the
   * environment is ignored.
   */
  readonly proxy?: string | EnvironmentProxies
  /** How certificates of API and token endpoint are checked. Default: against the system's authorities. */
  readonly tls?: TlsProfile
  /** Sent to API and token endpoint. Default: none of our own. */
  readonly userAgent?: string
  /** For one attempt, from the connection to the last byte. Default 30 seconds. */
  readonly attemptTimeout?: Duration.Input
  /** For one request with all its retries and waits. Default three times `attemptTimeout`, at least 2 minutes. */
  readonly deadline?: Duration.Input
  /** For a connection, including proxy and TLS. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** For both API and token endpoint. Default `defaultRetryPolicy` of `@cscs/http-transport`: four retries. */
  readonly retry?: RetryPolicy
}

/** The API's name in failures and spans; the token endpoint's name is derived from it. */
const upstream = "hpc-user-api"

/**
 * Maximum size of a response in bytes: a batch has some 360 names at most, and a record some hundred bytes. Every value is
 * inspected, which takes a second for a response of this size.
 */
const maxResponseBytes = 2 * 1024 * 1024

/** A project that does not exist; its absence from the response is the expected result. */
const pingName = "storage-proxy-ping"

/** Unix GIDs of projects, from the CSCS HPC User API. */
export class HpcUserClient extends Context.Service<
  HpcUserClient,
  {
    /**
     * The GIDs of the projects with these `posixName`s. Never fails: each name is in exactly one of `known`, `unknown` and
     * `failed`.
     *
     * Known GIDs are cached until restart, unknown names for a minute, failures never. Concurrent callers share requests, so
     * each name is requested once; interrupting one caller does not affect the others.
     */
    readonly gids: (posixNames: Iterable<string>) => Effect.Effect<GidLookup>
    /** Requests a token in advance, so that the first lookup does not wait for it. A failure is ignored; the lookup reports it. */
    readonly prepare: () => Effect.Effect<void>
    /** Whether the API has decided any name since the client was created. Sends no request. */
    readonly hasResponded: () => Effect.Effect<boolean>
    /** Statistics of the cache. Sends no request. */
    readonly getGidCacheStats: () => Effect.Effect<GidCacheStats>
    /** One small real call that bypasses the GID cache, with a token (cached if possible): for health checks. */
    readonly ping: () => Effect.Effect<void, HpcUserApiError>
  }
>()("@cscs/hpc-user-client/HpcUserClient") {
  /**
   * A client for one API; it sends no request until it is used. Connections, token and cache end with the layer's scope.
   *
   * Fails with `InvalidProxy` if the proxy given in `proxy` as a URL is unusable.
   */
  static readonly layer = (options: HpcUserClientOptions): Layer.Layer<HpcUserClient, InvalidProxy> =>
    Layer.effect(HpcUserClient, makeHpcUserClient(options))
}

const makeHpcUserClient = Effect.fnUntraced(function* (options: HpcUserClientOptions) {
  const attemptTimeout = options.attemptTimeout ?? "30 seconds"
  const deadline =
    options.deadline ?? Duration.max(Duration.minutes(2), Duration.times(Duration.fromInputUnsafe(attemptTimeout), 3))
  const retry = options.retry ?? defaultRetryPolicy
  const baseUrl = `${withoutTrailingSlashes(options.apiUrl)}/`
  const transport = yield* makeTransport({
    upstream,
    baseUrl,
    secrets: [options.clientSecret],
    maxBodyBytes: maxResponseBytes,
    attemptTimeout,
    deadline,
    retry,
    ...(options.connectTimeout === undefined ? {} : { connectTimeout: options.connectTimeout }),
    ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(options.userAgent === undefined ? {} : { headers: { "user-agent": options.userAgent } }),
  })
  const tokens = yield* makeTokenSource({
    transport,
    upstream: `${upstream}-token`,
    api: "the HPC User API",
    endpoint: { tokenUrl: options.tokenUrl },
    clientId: options.clientId,
    clientSecret: options.clientSecret,
    scope: options.scope ?? "openid",
    userAgent: options.userAgent,
    attemptTimeout,
    deadline,
    retry,
  })
  const projects = makeProjectExport({
    transport,
    token: (refused) => Effect.mapError(tokens.token(refused), apiErrorFrom),
    minGid: options.minGid ?? 1000,
    maxGid: options.maxGid,
    call: `GET ${urlForDisplay(baseUrl)}${exportPath}`,
  })
  const cache = yield* makeGidCache({ request: projects.lookUp, plan: (names) => planBatches(baseUrl, names) })
  return HpcUserClient.of({
    gids: Effect.fn("HpcUserClient.gids")((posixNames) => cache.gids(posixNames)),
    prepare: Effect.fn("HpcUserClient.prepare")(() => Effect.ignore(tokens.token())),
    hasResponded: () => cache.hasResponded,
    getGidCacheStats: () => cache.stats,
    ping: Effect.fn("HpcUserClient.ping")(() => Effect.asVoid(projects.get([pingName]))),
  })
})

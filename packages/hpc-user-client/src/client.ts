import {
  defaultRetryPolicy,
  type EnvironmentProxies,
  type InvalidProxy,
  makeTransport,
  type RetryPolicy,
  type Secret,
  type TlsProfile,
  urlForDisplay,
} from "@cscs/http-transport"
import { Context, Duration, Effect, Layer } from "effect"
import type { GidLookup } from "./answer.ts"
import { exportPath, planBatches } from "./batches.ts"
import type { HpcUserApiError } from "./errors.ts"
import { type GidCacheStats, makeGidCache } from "./gid-cache.ts"
import { makeProjectExport } from "./project-export.ts"
import { makeTokenSource } from "./token.ts"

/** Where the HPC User API is, who we are there, and how patiently it is asked. */
export interface HpcUserClientOptions {
  /** Where the API is, without `/api/v1/...`, with or without a closing slash. */
  readonly apiUrl: string
  readonly clientId: string
  /** One that rotates is read with each request for a token; a token of an earlier one is dropped. */
  readonly clientSecret: Secret
  /** The OAuth 2.0 token endpoint itself; no discovery. `http://` is accepted for test systems. */
  readonly tokenUrl: string
  /** Asked for with the token. Default `openid`. */
  readonly scope?: string
  /** The least GID that is believed: those below belong to the system. Default 1000. */
  readonly minGid?: number
  /** The largest GID that is believed. Default 2147483647; 65534 and 65535, which stand for nobody, never are. */
  readonly maxGid?: number
  /**
   * One proxy for API and token endpoint, `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, `http://` or `https://`,
   * or what the environment says for each of the two (`environmentProxies` of `@cscs/http-transport`). Default: direct,
   * whatever the environment says.
   */
  readonly proxy?: string | EnvironmentProxies
  /** How certificates are checked, for API and token endpoint alike. Default: by the system's authorities. */
  readonly tls?: TlsProfile
  /** Sent to API and token endpoint. Default: none of our own. */
  readonly userAgent?: string
  /** For one attempt, from the connection to the last byte. Default 30 seconds. */
  readonly attemptTimeout?: Duration.Input
  /** For one request with all its repeats and waits. Default three attempts' time, at least 2 minutes. */
  readonly deadline?: Duration.Input
  /** For a connection, proxy and TLS included. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** For API and token endpoint alike. Default `defaultRetryPolicy` of `@cscs/http-transport`: four repeats. */
  readonly retry?: RetryPolicy
}

/** The name that failures and spans give the API; its token endpoint has one made of it. */
const upstream = "hpc-user-api"

/**
 * Bytes of an answer: a batch is of some 360 names at most, and a record has some hundred bytes. Each value in it is
 * looked at, which takes a second for as many as fit into this.
 */
const longestAnswer = 2 * 1024 * 1024

/** The least that one can ask: a project that nobody has. Its absence in the answer is the answer that is hoped for. */
const pingName = "storage-proxy-ping"

/** Unix GIDs of projects, from the CSCS HPC User API. */
export class HpcUserClient extends Context.Service<
  HpcUserClient,
  {
    /**
     * The GIDs of the projects with these `posixName`s. Never fails: each name asked for is in exactly one of `known`,
     * `unknown` and `failed`.
     *
     * Known GIDs are cached until restart, unknown names for a minute, failures never. Callers at the same time share
     * requests, so the API is asked once per name; interrupting one of them leaves the others theirs.
     */
    readonly gids: (posixNames: Iterable<string>) => Effect.Effect<GidLookup>
    /** Sees to it that there is a token, so that the first lookup need not wait for it. What fails, the lookup will say. */
    readonly prepare: () => Effect.Effect<void>
    /** Whether the API has decided any name since the client was made. Asks nobody. */
    readonly hasAnswered: () => Effect.Effect<boolean>
    /** What is cached now. Asks nobody. */
    readonly getGidCacheStats: () => Effect.Effect<GidCacheStats>
    /** A token and one small real call past every cache but the token's: for health checks. */
    readonly ping: () => Effect.Effect<void, HpcUserApiError>
  }
>()("@cscs/hpc-user-client/HpcUserClient") {
  /**
   * A client for one API; it asks for nothing until it is asked. Connections, token and cache end with the layer's scope.
   *
   * Fails with `InvalidProxy` where `proxy`, or one of the environment's, is none.
   */
  static readonly layer = (options: HpcUserClientOptions): Layer.Layer<HpcUserClient, InvalidProxy> =>
    Layer.effect(HpcUserClient, makeHpcUserClient(options))
}

const makeHpcUserClient = Effect.fnUntraced(function* (options: HpcUserClientOptions) {
  const attemptTimeout = options.attemptTimeout ?? "30 seconds"
  const deadline =
    options.deadline ?? Duration.max(Duration.minutes(2), Duration.times(Duration.fromInputUnsafe(attemptTimeout), 3))
  const retry = options.retry ?? defaultRetryPolicy
  const baseUrl = `${options.apiUrl.replace(/(?<!\/)\/+$/, "")}/`
  const transport = yield* makeTransport({
    upstream,
    baseUrl,
    secrets: [options.clientSecret],
    maxBodyBytes: longestAnswer,
    attemptTimeout,
    deadline,
    retry,
    ...(options.connectTimeout === undefined ? {} : { connectTimeout: options.connectTimeout }),
    ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(options.userAgent === undefined ? {} : { headers: { "user-agent": options.userAgent } }),
  })
  const tokens = yield* makeTokenSource({
    // The transport's own way out, so that proxies and TLS profile hold for the token endpoint as well.
    transport,
    upstream,
    tokenUrl: options.tokenUrl,
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
    tokens,
    minGid: options.minGid ?? 1000,
    maxGid: options.maxGid,
    call: `GET ${urlForDisplay(baseUrl)}${exportPath}`,
  })
  const cache = yield* makeGidCache({ ask: projects.ask, plan: (names) => planBatches(baseUrl, names) })
  return HpcUserClient.of({
    gids: Effect.fn("HpcUserClient.gids")((posixNames) => cache.gids(posixNames)),
    prepare: Effect.fn("HpcUserClient.prepare")(() => Effect.ignore(tokens.token())),
    hasAnswered: () => cache.hasAnswered,
    getGidCacheStats: () => cache.stats,
    ping: Effect.fn("HpcUserClient.ping")(() => Effect.asVoid(projects.get([pingName]))),
  })
})

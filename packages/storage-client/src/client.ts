/** The client service: methods, options, and the parts behind them. */
import {
  type CallPolicyOptions,
  type EnvironmentProxies,
  type InvalidProxy,
  makeTokenSource,
  makeTransport,
  type Secret,
  secretNow,
  type TlsProfile,
  urlForDisplay,
  withoutTrailingSlashes,
} from "@cscs/http-transport"
import { Context, type Duration, Effect, Layer, Redacted, type Scope, type Stream } from "effect"
import type { EntryList } from "./entry-list.ts"
import type { StorageClientError } from "./errors.ts"
import { type ListSource, listPath, readList } from "./read-list.ts"
import { maxListBytes } from "./received.ts"
import { type ListUpdate, type WatchOptions, watch } from "./watch.ts"

/** How the client authenticates at the proxy. */
export type StorageClientAuth =
  /** The client-credentials grant (RFC 6749 section 4.4) at the token endpoint of an OIDC issuer, found by discovery. */
  | {
      /** `https://auth.example.org/realms/cscs`. */
      readonly issuer: string
      readonly clientId: string
      /** A rotating secret is read with each token request. */
      readonly clientSecret: Secret
      /** Default `openid`. */
      readonly scope?: string
    }
  /** A fixed access token. */
  | { readonly token: Secret }
  /** For a proxy without authentication. */
  | "none"

/** Which entries; a missing name selects all. */
export interface EntryQuery {
  /** A storage system's configured name. */
  readonly storage_system?: string
  /** `store`, `archive`, `users`, `scratch`, or another. */
  readonly data_type?: string
  /** With `active`, tenants and customers are missing, since theirs is `pending`. */
  readonly status?: string
}

/** The proxy's address, the credentials, and the limits of calls. */
export interface StorageClientOptions extends Pick<CallPolicyOptions, "attemptTimeout" | "deadline" | "retry"> {
  /** The proxy's URL without `/api/...`, with or without a trailing slash. */
  readonly baseUrl: string
  readonly auth: StorageClientAuth
  readonly query?: EntryQuery
  /**
   * One proxy for the storage proxy and the issuer, or the environment's (`environmentProxies` of `@cscs/http-transport`).
   * Default: direct; the environment is ignored.
   */
  readonly proxy?: string | EnvironmentProxies
  /** How certificates are checked. Default: against the system's authorities. */
  readonly tls?: TlsProfile
  /** Default `cscs-storage-client`. */
  readonly userAgent?: string
  /** For a connection, including proxy and TLS. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
}

/** The storage proxy's list of entries. */
export class StorageClient extends Context.Service<
  StorageClient,
  {
    /**
     * The whole list. `GET /api/storage-resources/` as NDJSON, or page by page if the proxy returns pages; read completely, or
     * the call fails (`IncompleteList`).
     *
     * @param last the last result, for a conditional request: if the proxy responds 304, which it never does for a list
     *   read page by page, the result has its `entries`, the same array, with a new `age`, `receivedAt` and `readAfter`
     */
    readonly entries: (last?: EntryList) => Effect.Effect<EntryList, StorageClientError>
    /**
     * The same with `Cache-Control: no-cache`, after a report: the proxy reads Waldur first. That may take some seconds; soon
     * after a failure the proxy returns its last good list with its true age, so check `isReadAfter`.
     */
    readonly refresh: (last?: EntryList) => Effect.Effect<EntryList, StorageClientError>
    /**
     * Polls, and emits each list whose `etag` is another; first the current one, with everything `added`. It does not end: a
     * failed poll is passed to `onFailure`.
     */
    readonly watch: (options?: WatchOptions) => Stream.Stream<ListUpdate>
  }
>()("@cscs/storage-client/StorageClient") {
  /** A client with its own connections, which end with the layer. Creating it sends no request. */
  static layer(options: StorageClientOptions): Layer.Layer<StorageClient, InvalidProxy> {
    return Layer.effect(StorageClient, makeStorageClient(options))
  }
}

/**
 * Creates a client; its connections and its token end with the scope. It sends no request until it is used.
 *
 * Fails with `InvalidProxy` if the proxy given in `proxy` as a URL is unusable.
 */
export const makeStorageClient = Effect.fn("makeStorageClient")(function* ({
  baseUrl: url,
  auth,
  query = {},
  userAgent = "cscs-storage-client",
  ...options
}: StorageClientOptions): Effect.fn.Return<StorageClient["Service"], InvalidProxy, Scope.Scope> {
  const baseUrl = `${withoutTrailingSlashes(url)}/`
  const transport = yield* makeTransport({
    ...options,
    upstream: "storage-proxy",
    baseUrl,
    headers: { "user-agent": userAgent },
    maxBodyBytes: maxListBytes,
    secrets: auth === "none" ? [] : ["token" in auth ? auth.token : auth.clientSecret],
  })
  const tokens =
    auth === "none" || "token" in auth
      ? undefined
      : yield* makeTokenSource({
          ...options,
          transport,
          upstream: "storage-proxy-token",
          api: "the storage proxy",
          endpoint: { issuer: auth.issuer },
          clientId: auth.clientId,
          clientSecret: auth.clientSecret,
          scope: auth.scope ?? "openid",
          userAgent,
        })
  const fixed = Effect.sync(() =>
    auth !== "none" && "token" in auth ? Redacted.make(secretNow(auth.token)) : undefined,
  )
  const source: ListSource = {
    transport,
    token: tokens?.token ?? (() => fixed),
    isRenewable: tokens !== undefined,
    query: Object.entries(query).filter(([, value]) => value !== undefined),
    call: `GET ${urlForDisplay(baseUrl)}${listPath}`,
  }
  const entries = Effect.fn("StorageClient.entries")((last?: EntryList) => readList(source, last, false))
  return StorageClient.of({
    entries,
    refresh: Effect.fn("StorageClient.refresh")((last) => readList(source, last, true)),
    watch: (how) => watch(entries, how),
  })
})

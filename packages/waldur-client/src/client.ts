/** The client service: methods, options, and the transport behind them. */
import {
  type EnvironmentProxies,
  type InvalidProxy,
  makeCallPolicy,
  makeTransport,
  type RetryPolicy,
  type Secret,
  secretNow,
  type TlsProfile,
  urlForDisplay,
  withoutTrailingSlashes,
} from "@cscs/http-transport"
import { Context, Duration, Effect, Layer, type Option, Schema, Semaphore } from "effect"
import { makeCalls, type WaldurCalls } from "./calls.ts"
import { readChanges } from "./changes.ts"
import { makeConcessions } from "./concessions.ts"
import type { WaldurError } from "./errors.ts"
import {
  type OfferingCustomer,
  type OfferingSummary,
  readOffering,
  readOfferingCustomers,
  readOfferings,
} from "./offerings.ts"
import { type ActionOf, actionPath, messageFor, outcomeOf, type ReportOutcome } from "./report-outcome.ts"
import { type ResourcePage, type ResourcePageQuery, resourcePage } from "./resource-page.ts"
import { type ResourceQuery, type ResourceRead, readResources } from "./resources.ts"

/** Waldur's address and the limits of calls. Durations in Effect's notation: `"30 seconds"`, or milliseconds. */
export interface WaldurClientOptions {
  /** `https://waldur.example.org`, with or without `/api`, with or without a trailing slash. */
  readonly apiUrl: string
  /** A Waldur API token: 40 hex digits. Masked in errors, logs and spans. A rotating one is read at each call. */
  readonly token: Secret
  /** Default `cscs-waldur-client`. */
  readonly userAgent?: string
  /**
   * One proxy (`socks4://`, `socks4a://`, `socks5://`, `socks5h://`, `http://` or `https://`), or the environment's proxies
   * (`environmentProxies` of `@cscs/http-transport`). Default: direct; the environment is ignored.
   */
  readonly proxy?: string | EnvironmentProxies
  /** How certificates are checked. Default: against the system's authorities. */
  readonly tls?: TlsProfile
  /** For one attempt, to the last byte. Default 60 seconds: a full page of a real Waldur takes 15. */
  readonly attemptTimeout?: Duration.Input
  /** For one call (such as a page) with all its retries and waits. Default three times `attemptTimeout`, at least 3 minutes. */
  readonly deadline?: Duration.Input
  /** For a connection, including proxy and TLS. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** Retries of reads. Default `defaultRetryPolicy` of `@cscs/http-transport`: 4 times within some 3 seconds. */
  readonly retry?: RetryPolicy
  /** Maximum number of reads (such as pages) in flight over all calls of this client. Actions do not wait. Default 8, at least 1. */
  readonly concurrency?: number
  /**
   * Maximum size of a decoded response in bytes; a larger page is read in smaller ones. Default 16 MiB, ten times a page of
   * 300 full resources: `concurrency` of them at a time must fit into a small process.
   */
  readonly maxPageBytes?: number
}

/**
 * A provider's view of Waldur's marketplace.
 *
 * A read fails with a `WaldurError`: `WaldurUnavailable` (network, 5xx, 408, 429, too large), `WaldurRejected` (any other
 * 4xx, such as 401 if the token is refused), `WaldurUnexpectedResponse` (not a response of Waldur's API). Methods list other errors.
 * Reads are retried according to the retry policy.
 */
export class WaldurClient extends Context.Service<
  WaldurClient,
  {
    /** The base URL of calls, ends in `/api/`. */
    readonly apiUrl: string

    /**
     * What this Waldur, or a gateway in front of it, refuses of this client's queries, and what is done instead: one sentence
     * each, for an operator. Everything is tried again with each `readResources`, but HEAD ten minutes after its last failure.
     * Each is logged once, as a warning.
     */
    readonly concessions: () => Effect.Effect<ReadonlyArray<string>>

    /** Waldur's own version, such as `8.1.3`. `GET version/`. */
    readonly version: () => Effect.Effect<string, WaldurError>

    /**
     * Every resource of these offerings that is visible to providers, in any state. `GET marketplace-provider-resources/`, all
     * pages concurrently; the consumer's `marketplace-resources/` returns nothing to a provider.
     *
     * For a user without a role in the offerings, Waldur returns no rows and a total of 0, not a refusal.
     *
     * Rows that move between pages during concurrent writes are detected by Waldur's counts. The pages are then read again,
     * up to four times in all; each repetition is logged as a warning.
     *
     * A page of more than `maxPageBytes` is read in smaller ones. A single row that is larger contains its strings only, and a
     * string in place of the object `attributes`, so that it cannot be mistaken for a complete row.
     *
     * Fails with `WaldurTooOld` if Waldur cannot filter by offering, with `WaldurInconsistent` if four reads did not suffice,
     * and with `WaldurUnexpectedResponse` if a read exceeds a million rows or 512 MiB.
     *
     * @param last the last result of this method or of `readChanges`: rows with the same content stay the same objects, and
     *   pages with the same bytes are not parsed again. None of its rows replaces one that Waldur does not return
     */
    readonly readResources: (query: ResourceQuery, last?: ResourceRead) => Effect.Effect<ResourceRead, WaldurError>

    /**
     * The result that `readResources` would return now, at the cost of the changes since `last`. Without changes that is three
     * calls and the pages of the resources with an order in progress: `GET marketplace-provider-resources/` with `modified`,
     * the same with `order_state`, and a HEAD (or GET) for the count.
     *
     * Unchanged rows are the same objects as in `last.rows`; if nothing changed at all, `rows` is `last.rows` itself. New
     * resources come last.
     *
     * `None` means that a full read is needed: a resource was deleted or has left the provider's view; more than 50 orders
     * have ended without a change of their resources; or `last` has no usable `asOf`.
     *
     * It cannot detect changes that do not update a resource's `modified`, except those of orders. Waldur does not update it
     * when a project or customer is renamed. If one resource disappears while another comes into view without a new
     * `modified`, the counts agree. So do a full read from time to time.
     *
     * Fails like `readResources`.
     *
     * @param query the query of `last`; `onRows` is not called
     * @param last the last result of `readResources` or of this method
     */
    readonly readChanges: (
      query: ResourceQuery,
      last: ResourceRead,
    ) => Effect.Effect<Option.Option<ResourceRead>, WaldurError>

    /**
     * One page of the resources of these offerings with all fields, for troubleshooting; a full page takes Waldur some 15
     * seconds. `GET marketplace-provider-resources/`. Beyond the last page it returns no rows and the total.
     *
     * Fails with `WaldurTooOld` if Waldur cannot filter by offering; an unknown `state` is a 400.
     */
    readonly resourcePage: (query: ResourcePageQuery) => Effect.Effect<ResourcePage, WaldurError>

    /**
     * Every offering that the token's user provides. `GET marketplace-provider-offerings/`. Offerings without a usable uuid,
     * slug or name are skipped. Fails with `WaldurInconsistent` like `readResources`.
     */
    readonly offerings: () => Effect.Effect<ReadonlyArray<OfferingSummary>, WaldurError>

    /**
     * One offering with all attributes, unchanged, including `secret_options`: remove these before showing or logging it.
     * `GET marketplace-provider-offerings/{uuid}/`. An unknown uuid, or a slug instead, is a 404.
     */
    readonly offering: (uuid: string) => Effect.Effect<Readonly<Record<string, unknown>>, WaldurError>

    /**
     * Every customer that has resources of an offering. `GET marketplace-provider-offerings/{uuid}/customers/`. Customers
     * without a usable uuid, slug or name are skipped. Fails with `WaldurInconsistent` like `readResources`.
     */
    readonly offeringCustomers: (offeringUuid: string) => Effect.Effect<ReadonlyArray<OfferingCustomer>, WaldurError>

    // Actions: sent once, and again only if nothing of the request can have reached Waldur. They never fail: the outcome is a
    // value. An order or resource is given by its UUID, or by the callback URL that an entry of the storage proxy carries for
    // this action; a URL of another action or below another API is `untrusted`, and nothing is sent.

    /**
     * Accepts an order, which then executes. `POST marketplace-orders/{uuid}/approve_by_provider/`. `otherState` unless it is
     * pending-provider; `notAllowedNow` while the customer is blocked or once the project has expired.
     *
     * @param attributes attributes that the provider adds to the order
     */
    readonly approveByProvider: (
      order: string,
      attributes?: Readonly<Record<string, unknown>>,
    ) => Effect.Effect<ReportOutcome>

    /**
     * Rejects an order; the resource of a Create is then Terminated. `POST marketplace-orders/{uuid}/reject_by_provider/`.
     * `otherState` unless it is pending; `notAllowedNow` while the customer is blocked.
     */
    readonly rejectByProvider: (order: string) => Effect.Effect<ReportOutcome>

    /** Reports that an order is being executed. `POST marketplace-orders/{uuid}/set_state_executing/`. `otherState` if it already is. */
    readonly setStateExecuting: (order: string) => Effect.Effect<ReportOutcome>

    /**
     * Reports that an order is done: the resource is then OK with the new limits, or Terminated. `POST
     * marketplace-orders/{uuid}/set_state_done/`. `otherState` unless it is executing. Do not report right after the approval,
     * but once the list shows that the order is executing: a report that overtakes Waldur's worker leaves the resource in
     * its state for good.
     */
    readonly setStateDone: (order: string) => Effect.Effect<ReportOutcome>

    /**
     * Reports that an order failed. `POST marketplace-orders/{uuid}/set_state_erred/`. `unsupported` for some types of
     * offerings. Waldur does not check the order's state: a late report changes even an order that is done.
     *
     * @param message the reason, which the customer sees: no internals. Control characters become spaces; at most 1,000
     *   characters are sent, and a general sentence if it is empty
     */
    readonly setStateErred: (order: string, message: string) => Effect.Effect<ReportOutcome>

    /**
     * Sets the provider's own id of a resource; an absolute path becomes its mount point. `POST
     * marketplace-provider-resources/{uuid}/set_backend_id/`.
     */
    readonly setBackendId: (resource: string, backendId: string) => Effect.Effect<ReportOutcome>

    /**
     * Sets a resource to OK. `POST marketplace-provider-resources/{uuid}/set_state_ok/`. `otherState` if it already is; `gone`
     * on Waldur before 8.
     */
    readonly setStateOk: (resource: string) => Effect.Effect<ReportOutcome>

    /**
     * Sets a resource's options without an order. `POST
     * marketplace-provider-resources/{uuid}/update_options_direct/`. `gone` on Waldur before 8.
     *
     * @param options names and values as defined by the offering's `resource_options`; quotas as `quotaReport` of
     *   `@cscs/storage-model` names them
     */
    readonly updateOptionsDirect: (
      resource: string,
      options: Readonly<Record<string, unknown>>,
    ) => Effect.Effect<ReportOutcome>
  }
>()("@cscs/waldur-client/WaldurClient") {
  /** A client with its own connections, which end with the layer. Creating it sends no request. */
  static layer(options: WaldurClientOptions): Layer.Layer<WaldurClient, InvalidProxy> {
    return Layer.effect(WaldurClient, make(options))
  }
}

/** For a HEAD with its retries. Counting takes a second or two; after this time GET is used instead. */
const headTimeout = Duration.seconds(15)

const make = Effect.fnUntraced(function* ({
  apiUrl: url,
  token,
  userAgent = "cscs-waldur-client",
  concurrency = 8,
  maxPageBytes = 16 * 1024 * 1024,
  ...options
}: WaldurClientOptions) {
  const baseUrl = normalizedApiUrl(url)
  const apiUrl = urlForDisplay(baseUrl)
  const readsAtOnce = Math.max(1, concurrency)
  const transport = yield* makeTransport({
    ...options,
    upstream: "waldur",
    baseUrl,
    maxBodyBytes: maxPageBytes,
    // A few more than the reads, so that actions do not wait for pages.
    connections: readsAtOnce + 4,
    secrets: [token],
    headers: () => ({
      accept: "application/json",
      // A list from a gateway's cache may be older than its Date.
      "cache-control": "no-cache",
      authorization: `Token ${secretNow(token)}`,
      "user-agent": userAgent,
    }),
  })
  const gate = yield* Semaphore.make(readsAtOnce)
  const concessions = makeConcessions()
  const about = { apiUrl, concurrency: readsAtOnce, maxPageBytes, concessions }
  // If a gateway lets HEADs hang or closes their connections, GETs must not be affected, nor the wait as long.
  const headPatience = Duration.min(headTimeout, Duration.fromInputUnsafe(options.attemptTimeout ?? headTimeout))
  const headCallPolicy = yield* makeCallPolicy({
    ...options,
    upstream: "waldur-counts",
    attemptTimeout: headPatience,
    deadline: headPatience,
  })
  const calls = makeCalls(transport, about, gate, headCallPolicy)
  // Lists of customers provide names only, so their failures must not block the resources.
  const callPolicy = yield* makeCallPolicy({ ...options, upstream: "waldur-customers" })
  const customerCalls = makeCalls(
    { redact: transport.redact, call: (call) => transport.call({ ...call, callPolicy }) },
    about,
    gate,
  )
  const report = Effect.fn("WaldurClient.report")(function* (of: ActionOf, to: string, action: string, json?: unknown) {
    yield* Effect.annotateCurrentSpan({ action })
    const path = actionPath(baseUrl, of, to, action)
    if (path === undefined) {
      return { _tag: "untrusted", detail: `expected a UUID, or a URL ${apiUrl}${of}/<uuid>/${action}/` } as const
    }
    return yield* Effect.match(calls.action(path, json), {
      onSuccess: (): ReportOutcome => ({ _tag: "done" }),
      onFailure: outcomeOf,
    })
  })
  const orderAction = (order: string, action: string, json?: unknown) =>
    report("marketplace-orders", order, action, json)
  const resourceAction = (resource: string, action: string, json?: unknown) =>
    report("marketplace-provider-resources", resource, action, json)

  return WaldurClient.of({
    apiUrl,
    concessions: () => Effect.sync(concessions.all),
    version: () => readVersion(calls),
    readResources: (query, last) => readResources(calls, query, last),
    readChanges: (query, last) => readChanges(calls, query, last),
    resourcePage: (query) => resourcePage(calls, query),
    offerings: () => readOfferings(calls),
    offering: (uuid) => readOffering(calls, uuid),
    offeringCustomers: (offeringUuid) => readOfferingCustomers(customerCalls, offeringUuid),
    approveByProvider: (order, attributes) =>
      orderAction(order, "approve_by_provider", attributes === undefined ? undefined : { attributes }),
    rejectByProvider: (order) => orderAction(order, "reject_by_provider"),
    setStateExecuting: (order) => orderAction(order, "set_state_executing"),
    setStateDone: (order) => orderAction(order, "set_state_done"),
    // Waldur requires both; the traceback is for its staff, and ours has none.
    setStateErred: (order, message) =>
      orderAction(order, "set_state_erred", {
        error_message: messageFor(transport.redact(message)),
        error_traceback: "",
      }),
    setBackendId: (resource, backendId) => resourceAction(resource, "set_backend_id", { backend_id: backendId }),
    setStateOk: (resource) => resourceAction(resource, "set_state_ok"),
    updateOptionsDirect: (resource, options) => resourceAction(resource, "update_options_direct", { options }),
  })
})

const normalizedApiUrl = (url: string) => `${withoutTrailingSlashes(url.trim()).replace(/\/api$/, "")}/api/`

const readVersion = Effect.fn("WaldurClient.version")(function* (
  calls: WaldurCalls,
): Effect.fn.Return<string, WaldurError> {
  return (yield* calls.object("version/", [], Version, 'an object with "version"')).version
})

const Version = Schema.Struct({ version: Schema.String })

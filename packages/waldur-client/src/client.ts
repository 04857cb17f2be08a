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
import { type ResourcePage, type ResourcePageQuery, resourcePage } from "./resource-page.ts"
import { type ResourceQuery, type ResourceRead, readResources } from "./resources.ts"

/** Where Waldur is, and how patiently it is asked. Durations as Effect writes them: `"30 seconds"`, or milliseconds. */
export interface WaldurClientOptions {
  /** `https://waldur.example.org`, with or without `/api`, with or without a closing slash. */
  readonly apiUrl: string
  /** An API token of Waldur: 40 hex digits. No error, log or span ever holds it. One that rotates is read at each call. */
  readonly token: Secret
  /** Default `cscs-waldur-client`. */
  readonly userAgent?: string
  /**
   * One proxy, `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, `http://` or `https://`, or what the environment says
   * (`environmentProxies` of `@cscs/http-transport`). Default: direct, whatever the environment says.
   */
  readonly proxy?: string | EnvironmentProxies
  /** Default: the certificate is checked against the system's. */
  readonly tls?: TlsProfile
  /** For one attempt, to the last byte. Default 60 seconds: a full page of a real Waldur takes 15. */
  readonly attemptTimeout?: Duration.Input
  /** For one call (of a page, say) with all its repeats and waits. Default three attempts' time, at least 3 minutes. */
  readonly deadline?: Duration.Input
  /** For a connection, proxy and TLS included. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** How reads are repeated. Default `defaultRetryPolicy` of `@cscs/http-transport`: 4 times within some 3 seconds. */
  readonly retry?: RetryPolicy
  /** Reads in flight at most, over all calls of this client; a page is one. Actions do not wait. Default 8, at least 1. */
  readonly concurrency?: number
  /**
   * Bytes of an answer at most, decoded; a larger page is read in smaller ones. Default 16 MiB, ten times a page of 300
   * full resources: as many as `concurrency` at a time must fit into a small process.
   */
  readonly maxPageBytes?: number
}

/**
 * A provider's view of Waldur's marketplace.
 *
 * Every call fails with a `WaldurError`: `WaldurUnavailable` (network, 5xx, 429), `WaldurRejected` (401 where the token is
 * refused, 403, 404, 409, 400), `WaldurUnexpectedAnswer` (not an answer of a Waldur). What a method fails with beside
 * these, it says. Reads are repeated as the retry policy says; actions are sent once.
 */
export class WaldurClient extends Context.Service<
  WaldurClient,
  {
    /** Where calls go, ends in `/api/`. */
    readonly apiUrl: string

    /**
     * What this Waldur, or a gateway before it, refuses of this client's queries, and what is done instead: one sentence
     * each, for an operator. All of it is asked for again with each `readResources`. Each is logged once, as a warning.
     */
    readonly concessions: () => Effect.Effect<ReadonlyArray<string>>

    /** Waldur's own version, such as `8.1.3`. `GET version/`. */
    readonly version: () => Effect.Effect<string, WaldurError>

    /**
     * Every resource of these offerings that is visible to providers, in whatever state. `GET
     * marketplace-provider-resources/`, all pages side by side; the consumer's `marketplace-resources/` shows a provider
     * nothing.
     *
     * A user without a role in the offerings gets no rows and a total of 0, not a refusal.
     *
     * Rows that move between pages while others write are noticed by Waldur's counts, and the pages read again, up to four
     * times; each repeat is logged as a warning.
     *
     * A page of more than `maxPageBytes` is read in smaller ones. A row that alone is larger comes with its texts only, and with
     * a text in the place of the object `attributes`, which no one can take for a good one.
     *
     * Fails with `WaldurTooOld` where Waldur cannot select by offering, with `WaldurInconsistent` where four reads did not
     * settle it, and with `WaldurUnexpectedAnswer` where a read passes a million rows or 512 MiB.
     */
    readonly readResources: (query: ResourceQuery) => Effect.Effect<ResourceRead, WaldurError>

    /**
     * What `readResources` would give now, for the price of what has changed since `last`: where that is nothing, three
     * calls and the pages of the resources with an order in progress. `GET marketplace-provider-resources/` with `modified`, the
     * same with `order_state`, and a HEAD, or GET, for the count.
     *
     * Rows whose content did not change are the same objects as in `last.rows`; where nothing changed at all, `rows` is
     * `last.rows` itself. New resources come last.
     *
     * `none` means that only a full read can tell: a resource was deleted, or has left the provider's view; more than 50
     * orders have ended without a change of their resources; or `last` cannot be gone on from (`asOf`).
     *
     * What it cannot see: what changes without moving a resource's `modified`, orders aside. Waldur does not move it
     * where a project or a customer is renamed. And where one resource goes while another comes into view, neither of
     * which moves a `modified`, the counts agree. So a full read is due now and then.
     *
     * Fails as `readResources`.
     *
     * @param query the one that `last` was read with; `onRows` is not called
     * @param last what `readResources`, or this, gave
     */
    readonly readChanges: (
      query: ResourceQuery,
      last: ResourceRead,
    ) => Effect.Effect<Option.Option<ResourceRead>, WaldurError>

    /**
     * One page of the resources of these offerings, all fields, for troubleshooting: a full page takes Waldur some 15
     * seconds. `GET marketplace-provider-resources/`. Beyond the last page: no rows, and the total.
     *
     * Fails with `WaldurTooOld` where Waldur cannot select by offering; a `state` that is none is a 400.
     */
    readonly resourcePage: (query: ResourcePageQuery) => Effect.Effect<ResourcePage, WaldurError>

    /**
     * Every offering of the token's user as a provider. `GET marketplace-provider-offerings/`. One without a usable
     * uuid, slug or name is left out. Fails with `WaldurInconsistent` as `readResources`.
     */
    readonly offerings: () => Effect.Effect<ReadonlyArray<OfferingSummary>, WaldurError>

    /**
     * One offering with every attribute as Waldur sent it, `secret_options` among them: take those out before it is shown
     * or logged. `GET marketplace-provider-offerings/{uuid}/`. Unknown uuid, or a slug in its place: 404.
     */
    readonly offering: (uuid: string) => Effect.Effect<Readonly<Record<string, unknown>>, WaldurError>

    /**
     * Every customer that has resources of an offering. `GET marketplace-provider-offerings/{uuid}/customers/`. One
     * without a usable uuid, slug or name is left out. Fails with `WaldurInconsistent` as `readResources`.
     */
    readonly offeringCustomers: (offeringUuid: string) => Effect.Effect<ReadonlyArray<OfferingCustomer>, WaldurError>

    /**
     * Accepts an order, which then executes. `POST marketplace-orders/{uuid}/approve_by_provider/`. 409 unless it is
     * pending-provider.
     *
     * @param attributes what the provider adds to the order
     */
    readonly approveByProvider: (
      orderUuid: string,
      attributes?: Readonly<Record<string, unknown>>,
    ) => Effect.Effect<void, WaldurError>

    /**
     * Refuses an order; the resource of a Create is then Terminated. `POST marketplace-orders/{uuid}/reject_by_provider/`.
     * 409 unless it is pending.
     */
    readonly rejectByProvider: (orderUuid: string) => Effect.Effect<void, WaldurError>

    /** Says that an order is being worked on. `POST marketplace-orders/{uuid}/set_state_executing/`. 409 if it already is. */
    readonly setStateExecuting: (orderUuid: string) => Effect.Effect<void, WaldurError>

    /**
     * Says that an order is done: the resource is then OK with the new limits, or Terminated. `POST
     * marketplace-orders/{uuid}/set_state_done/`. 409 unless it is executing.
     */
    readonly setStateDone: (orderUuid: string) => Effect.Effect<void, WaldurError>

    /**
     * Says that an order failed, and why. `POST marketplace-orders/{uuid}/set_state_erred/`. 405 for some types of
     * offerings.
     */
    readonly setStateErred: (
      orderUuid: string,
      why: { readonly errorMessage: string; readonly errorTraceback: string },
    ) => Effect.Effect<void, WaldurError>

    /** Sets the provider's own id of a resource. `POST marketplace-provider-resources/{uuid}/set_backend_id/`. */
    readonly setBackendId: (resourceUuid: string, backendId: string) => Effect.Effect<void, WaldurError>

    /**
     * Sets a resource to OK. `POST marketplace-provider-resources/{uuid}/set_state_ok/`. 409 if it is; 404 with a Waldur
     * before 8.
     */
    readonly setStateOk: (resourceUuid: string) => Effect.Effect<void, WaldurError>

    /**
     * Sets a resource's options without an order. `POST
     * marketplace-provider-resources/{uuid}/update_options_direct/`. 404 with a Waldur before 8.
     *
     * @param options names and values as the offering's `resource_options` define them
     */
    readonly updateOptionsDirect: (
      resourceUuid: string,
      options: Readonly<Record<string, unknown>>,
    ) => Effect.Effect<void, WaldurError>
  }
>()("@cscs/waldur-client/WaldurClient") {
  /** The client over connections of its own, which end with the layer. Nothing is asked of Waldur yet. */
  static layer(options: WaldurClientOptions): Layer.Layer<WaldurClient, InvalidProxy> {
    return Layer.effect(WaldurClient, make(options))
  }
}

/** For a HEAD with its repeats; a list is counted in a second or two, and counted by GET after that. */
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
    // Some beside the reads, so that no action waits for a page.
    connections: readsAtOnce + 4,
    secrets: [token],
    headers: () => ({
      accept: "application/json",
      // A gateway's copy of a list is older than it looks.
      "cache-control": "no-cache",
      authorization: `Token ${secretNow(token)}`,
      "user-agent": userAgent,
    }),
  })
  const gate = yield* Semaphore.make(readsAtOnce)
  const concessions = makeConcessions()
  const about = { apiUrl, concurrency: readsAtOnce, maxPageBytes, concessions }
  // A gateway that lets HEADs hang, or closes their connections, must neither stop the GETs nor be waited for as long.
  const headPatience = Duration.min(headTimeout, Duration.fromInputUnsafe(options.attemptTimeout ?? headTimeout))
  const headCallPolicy = yield* makeCallPolicy({
    ...options,
    upstream: "waldur-counts",
    attemptTimeout: headPatience,
    deadline: headPatience,
  })
  const calls = makeCalls(transport, about, gate, headCallPolicy)
  // Lists of customers give names only: when they fail, the resources must still be asked for.
  const callPolicy = yield* makeCallPolicy({ ...options, upstream: "waldur-customers" })
  const customerCalls = makeCalls(
    { redact: transport.redact, call: (call) => transport.call({ ...call, callPolicy }) },
    about,
    gate,
  )
  const orderAction = (orderUuid: string, action: string, json?: unknown) =>
    calls.action(`marketplace-orders/${encodeURIComponent(orderUuid)}/${action}/`, json)
  const resourceAction = (resourceUuid: string, action: string, json?: unknown) =>
    calls.action(`marketplace-provider-resources/${encodeURIComponent(resourceUuid)}/${action}/`, json)

  return WaldurClient.of({
    apiUrl,
    concessions: () => Effect.sync(concessions.all),
    version: () => readVersion(calls),
    readResources: (query) => readResources(calls, query),
    readChanges: (query, last) => readChanges(calls, query, last),
    resourcePage: (query) => resourcePage(calls, query),
    offerings: () => readOfferings(calls),
    offering: (uuid) => readOffering(calls, uuid),
    offeringCustomers: (offeringUuid) => readOfferingCustomers(customerCalls, offeringUuid),
    approveByProvider: (orderUuid, attributes) =>
      orderAction(orderUuid, "approve_by_provider", attributes === undefined ? undefined : { attributes }),
    rejectByProvider: (orderUuid) => orderAction(orderUuid, "reject_by_provider"),
    setStateExecuting: (orderUuid) => orderAction(orderUuid, "set_state_executing"),
    setStateDone: (orderUuid) => orderAction(orderUuid, "set_state_done"),
    setStateErred: (orderUuid, { errorMessage, errorTraceback }) =>
      orderAction(orderUuid, "set_state_erred", { error_message: errorMessage, error_traceback: errorTraceback }),
    setBackendId: (resourceUuid, backendId) =>
      resourceAction(resourceUuid, "set_backend_id", { backend_id: backendId }),
    setStateOk: (resourceUuid) => resourceAction(resourceUuid, "set_state_ok"),
    updateOptionsDirect: (resourceUuid, options) => resourceAction(resourceUuid, "update_options_direct", { options }),
  })
})

const normalizedApiUrl = (url: string) =>
  `${url
    .trim()
    .replace(/(?<!\/)\/+$/, "")
    .replace(/\/api$/, "")}/api/`

const readVersion = Effect.fn("WaldurClient.version")(function* (
  calls: WaldurCalls,
): Effect.fn.Return<string, WaldurError> {
  return (yield* calls.object("version/", [], Version, 'an object with "version"')).version
})

const Version = Schema.Struct({ version: Schema.String })

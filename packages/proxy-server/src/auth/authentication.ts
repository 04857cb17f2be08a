/** Authenticates requests by their access token, in the configured mode. */
import { elapsedMillis, type InvalidProxy, makeTransport } from "@cscs/http-transport"
import { Clock, Context, Effect, Layer } from "effect"
import { Settings } from "../config/settings.ts"
import { bearerToken } from "./bearer-token.ts"
import type { Principal } from "./claims.ts"
import { makeIntrospection } from "./introspection.ts"
import { type IssuerHealth, issuerTimeout, makeIssuer, noRetry } from "./issuer.ts"
import { makeIssuerKeys } from "./issuer-keys.ts"
import { makeJwtVerification } from "./jwt-verification.ts"
import { type AuthenticationRefusal, type IssuerUnavailable, type RefusalReason, reasonOf } from "./refusals.ts"
import { countRefusals, tokenRefused } from "./token-metrics.ts"

/** Consecutive refused tokens. */
export interface RefusedInARow {
  readonly count: number
  /** When the first was refused, in milliseconds since 1970. */
  readonly since: number
  /** Why the last was refused. */
  readonly reason: RefusalReason
}

const scheme = "Bearer "

/** Milliseconds between two checks that the issuer exists at all, triggered by tokens of another issuer. */
const lookEvery = 30_000

/** Authenticates requests, or reports why they are refused. */
export class Authentication extends Context.Service<
  Authentication,
  {
    /**
     * The bearer of a token that was accepted less than a minute ago and still is, without waiting; `undefined` if only
     * `authenticate` can decide.
     */
    readonly recall: (header: string | undefined) => Principal | undefined
    /** @param header the request's `Authorization`; `undefined` if it has none */
    readonly authenticate: (header: string | undefined) => Effect.Effect<Principal, AuthenticationRefusal>
    /** Makes a real attempt: fails if tokens could not be checked now. */
    readonly ready: Effect.Effect<void, IssuerUnavailable>
    /** The outcome of the last call to the issuer; `undefined` if there was none. */
    readonly issuerHealth: () => IssuerHealth
    /** The tokens refused since one was last accepted; `undefined` if there are none. */
    readonly refusedInARow: () => RefusedInARow | undefined
  }
>()("@cscs/proxy-server/Authentication") {
  /** Built for the configured mode. Makes no call to the issuer before the first token. */
  static readonly layer: Layer.Layer<Authentication, InvalidProxy, Settings> = Layer.effect(
    Authentication,
    Effect.gen(function* () {
      const { auth, userAgent } = yield* Settings
      yield* countRefusals
      if (auth.disabled) {
        return {
          recall: () => undefined,
          authenticate: () => Effect.succeed({ name: "anonymous", mayDebug: true }),
          ready: Effect.void,
          issuerHealth: () => undefined,
          refusedInARow: () => undefined,
        }
      }
      const transport = yield* makeTransport({
        upstream: "issuer",
        baseUrl: auth.realmUrl,
        headers: { "user-agent": userAgent },
        tls: auth.tls,
        connectTimeout: issuerTimeout,
        // Keys and metadata have a few thousand bytes, and callers can trigger these calls.
        maxBodyBytes: 1024 * 1024,
        attemptTimeout: issuerTimeout,
        deadline: issuerTimeout,
        retry: noRetry,
        proxy: auth.proxy,
      })
      const issuer = yield* makeIssuer(transport, auth)
      const keys = yield* makeIssuerKeys(issuer)
      const clock = yield* Clock.Clock
      const { recall, verify, ready } =
        auth.introspection === undefined
          ? makeJwtVerification(keys, auth, clock)
          : makeIntrospection({ issuer, keys, auth, client: auth.introspection, clock })
      const scope = yield* Effect.scope
      let refused: RefusedInARow | undefined
      let lookedAt = Number.NEGATIVE_INFINITY
      // Such a token is refused without a call; introspection reports it as inactive. If the configured realm or host is
      // wrong, our own issuer may not exist.
      const lookForIssuer = Effect.gen(function* () {
        const now = yield* elapsedMillis
        if (issuer.health()?.status === "ok" || now - lookedAt < lookEvery) return
        lookedAt = now
        yield* Effect.forkIn(Effect.ignore(issuer.metadata), scope)
      })
      const noteRefusal = Effect.fnUntraced(function* (refusal: AuthenticationRefusal) {
        const reason = reasonOf(refusal)
        yield* tokenRefused(reason)
        if (reason === "other-issuer" || reason === "inactive") yield* lookForIssuer
        // A request without a token is not evidence about tokens, and readiness already reports an issuer that does not
        // respond.
        if (reason === "no-token" || reason === "issuer") return
        const now = yield* Clock.currentTimeMillis
        refused = { count: (refused?.count ?? 0) + 1, since: refused?.since ?? now, reason }
      })
      return {
        recall: (header) => {
          // Any other spelling of the scheme is left to `authenticate`.
          const principal = header?.startsWith(scheme) ? recall(header.slice(scheme.length)) : undefined
          if (principal !== undefined) refused = undefined
          return principal
        },
        authenticate: Effect.fn("authenticate")(function* (header) {
          const principal = yield* verify(yield* Effect.fromResult(bearerToken(header)))
          refused = undefined
          return principal
        }, Effect.tapError(noteRefusal)),
        ready,
        issuerHealth: issuer.health,
        refusedInARow: () => refused,
      }
    }),
  )
}

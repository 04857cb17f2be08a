import { type InvalidProxy, makeTransport } from "@cscs/http-transport"
import { Context, Effect, Layer } from "effect"
import { Settings } from "../config/settings.ts"
import { bearerToken } from "./bearer-token.ts"
import type { Principal } from "./claims.ts"
import { makeIntrospection } from "./introspection.ts"
import { type IssuerHealth, issuerTimeout, makeIssuer, noRetry } from "./issuer.ts"
import { makeIssuerKeys } from "./issuer-keys.ts"
import { makeJwtVerification } from "./jwt-verification.ts"
import type { AuthenticationRefusal, IssuerUnavailable } from "./refusals.ts"

/** Says who sends a request, or why nobody who may. */
export class Authentication extends Context.Service<
  Authentication,
  {
    /** @param header the request's `Authorization`, `undefined` where it has none */
    readonly authenticate: (header: string | undefined) => Effect.Effect<Principal, AuthenticationRefusal>
    /** Tries for real whether tokens could be checked now. */
    readonly ready: Effect.Effect<void, IssuerUnavailable>
    /** How the last question to the issuer ended; `undefined` if there was none. */
    readonly issuerHealth: () => IssuerHealth
  }
>()("@cscs/proxy-server/Authentication") {
  /** By the configured mode. Asks the issuer for nothing before the first token. */
  static readonly layer: Layer.Layer<Authentication, InvalidProxy, Settings> = Layer.effect(
    Authentication,
    Effect.gen(function* () {
      const { auth, userAgent } = yield* Settings
      if (auth.disabled) {
        return {
          authenticate: () => Effect.succeed({ name: "anonymous" }),
          ready: Effect.void,
          issuerHealth: () => undefined,
        }
      }
      const transport = yield* makeTransport({
        upstream: "issuer",
        baseUrl: auth.realmUrl,
        headers: { "user-agent": userAgent },
        tls: auth.tls,
        connectTimeout: issuerTimeout,
        // Keys and metadata have some thousand bytes, and callers can make us ask.
        maxBodyBytes: 1024 * 1024,
        attemptTimeout: issuerTimeout,
        deadline: issuerTimeout,
        retry: noRetry,
        proxy: auth.proxy,
      })
      const issuer = yield* makeIssuer(transport, auth)
      const keys = yield* makeIssuerKeys(issuer)
      const { verify, ready } =
        auth.introspection === undefined
          ? makeJwtVerification(keys, auth)
          : makeIntrospection({ issuer, keys, auth, client: auth.introspection })
      return {
        authenticate: Effect.fn("authenticate")(function* (header) {
          return yield* verify(yield* Effect.fromResult(bearerToken(header)))
        }),
        ready,
        issuerHealth: issuer.health,
      }
    }),
  )
}

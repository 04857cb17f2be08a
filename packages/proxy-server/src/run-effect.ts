import type { WaldurClient } from "@cscs/waldur-client"
import { Effect, Exit } from "effect"
import type { Context } from "hono"
import type { Authentication } from "./auth/authentication.ts"
import type { Settings } from "./config/settings.ts"
import { failureResponse, logFailure, type RequestError } from "./http-errors.ts"
import type { Lifecycle } from "./lifecycle.ts"
import type { Snapshots } from "./snapshot/snapshots.ts"

/** What the app's handlers use. */
export type AppServices = Settings | WaldurClient | Snapshots | Lifecycle | Authentication

/** Runs a handler's effects. A caller who leaves interrupts them; a failure is logged. */
export interface EffectRunner {
  readonly exit: <A>(
    c: Context,
    effect: Effect.Effect<A, RequestError, AppServices>,
  ) => Promise<Exit.Exit<A, RequestError>>
  readonly response: (c: Context, effect: Effect.Effect<Response, RequestError, AppServices>) => Promise<Response>
}

/** Handlers run in the context that the app is made in. */
export const effectRunner = Effect.map(Effect.context<AppServices>(), (services): EffectRunner => {
  const exit: EffectRunner["exit"] = (c, effect) =>
    Effect.runPromiseExitWith(services)(Effect.tapCause(effect, logFailure), { signal: c.req.raw.signal })
  return {
    exit,
    response: async (c, effect) =>
      Exit.match(await exit(c, effect), { onSuccess: (response) => response, onFailure: failureResponse }),
  }
})

import type { WaldurClient } from "@cscs/waldur-client"
import { Effect } from "effect"
import type { Context } from "hono"
import type { Settings } from "./config/settings.ts"
import { logFailure, type RequestError, responseTo } from "./http-errors.ts"
import type { Lifecycle } from "./lifecycle.ts"
import type { Snapshots } from "./snapshot/snapshots.ts"

/** What the app's handlers use. */
export type AppServices = Settings | WaldurClient | Snapshots | Lifecycle

/** Runs a handler's effect to its response; a caller who leaves interrupts it. */
export type RunEffect = (c: Context, effect: Effect.Effect<Response, RequestError, AppServices>) => Promise<Response>

/** Handlers run in the context that the app is made in. */
export const effectRunner = Effect.map(
  Effect.context<AppServices>(),
  (services): RunEffect =>
    async (c, effect) =>
      responseTo(
        await Effect.runPromiseExitWith(services)(Effect.tapCause(effect, logFailure), { signal: c.req.raw.signal }),
      ),
)

import { Exit } from "effect"
import type { MiddlewareHandler } from "hono"
import { Authentication } from "../auth/authentication.ts"
import { observedRequest } from "../observability/observed-request.ts"
import { failureResponse } from "./http-errors.ts"
import type { EffectRunner } from "./run-effect.ts"

/** Passes requests with a valid token and rejects all others before any other processing. */
export const requireToken = (run: EffectRunner): MiddlewareHandler =>
  async function requireToken(c, next) {
    const exit = await run.exit(
      c,
      Authentication.use(({ authenticate }) => authenticate(c.req.header("authorization"))),
    )
    if (Exit.isFailure(exit)) return failureResponse(exit.cause)
    // For the log; the issuer does not limit the length of a name.
    observedRequest(c).caller = exit.value.name.slice(0, 100)
    return next()
  }

import { Exit } from "effect"
import type { MiddlewareHandler } from "hono"
import { Authentication } from "../auth/authentication.ts"
import { observedRequest } from "../observability/observed-request.ts"
import { failureResponse } from "./http-errors.ts"
import type { EffectRunner } from "./run-effect.ts"

/** Lets a request pass whose token opens the list, and refuses any other before anything else is looked at. */
export const requireToken = (run: EffectRunner): MiddlewareHandler =>
  async function requireToken(c, next) {
    const exit = await run.exit(
      c,
      Authentication.use(({ authenticate }) => authenticate(c.req.header("authorization"))),
    )
    if (Exit.isFailure(exit)) return failureResponse(exit.cause)
    // For the log: a name is as long as whoever gave it liked.
    observedRequest(c).caller = exit.value.name.slice(0, 100)
    return next()
  }

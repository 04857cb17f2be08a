import { Exit } from "effect"
import type { MiddlewareHandler } from "hono"
import { failureResponse } from "../http-errors.ts"
import type { EffectRunner } from "../run-effect.ts"
import { Authentication } from "./authentication.ts"

/** Lets a request pass whose token opens the list, and refuses any other before anything else is looked at. */
export const requireToken = (run: EffectRunner): MiddlewareHandler =>
  async function requireToken(c, next) {
    const exit = await run.exit(
      c,
      Authentication.use(({ authenticate }) => authenticate(c.req.header("authorization"))),
    )
    return Exit.isSuccess(exit) ? next() : failureResponse(exit.cause)
  }

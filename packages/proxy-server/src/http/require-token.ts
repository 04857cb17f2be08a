/** The middleware that requires a token. */
import { Exit } from "effect"
import type { Context, MiddlewareHandler } from "hono"
import type { Authentication } from "../auth/authentication.ts"
import type { Principal } from "../auth/claims.ts"
import { RoleMissing } from "../auth/refusals.ts"
import type { ProxySettings } from "../config/settings.ts"
import { observedRequest } from "../observability/observed-request.ts"
import { failureResponse } from "./http-errors.ts"
import type { EffectRunner } from "./run-effect.ts"

const noteCaller = (c: Context, { name, mayDebug }: Principal): void => {
  const request = observedRequest(c)
  // For the log; the issuer does not limit the length of a name.
  request.caller = name.slice(0, 100)
  request.mayDebug = mayDebug
}

/** Whether a request's token has been accepted within the last minute and still is, without waiting. */
export const hasKnownToken = (c: Context, { recall }: Authentication["Service"]): boolean => {
  const principal = recall(c.req.header("authorization"))
  if (principal !== undefined) noteCaller(c, principal)
  return principal !== undefined
}

/** Passes requests with a valid token and rejects all others before any other processing. */
export const requireToken = (run: EffectRunner, authentication: Authentication["Service"]): MiddlewareHandler =>
  async function requireToken(c, next) {
    if (!hasKnownToken(c, authentication)) {
      const exit = await run.exit(c, authentication.authenticate(c.req.header("authorization")))
      if (Exit.isFailure(exit)) return failureResponse(exit.cause)
      noteCaller(c, exit.value)
    }
    return next()
  }

/** Whether the bearer may use debug mode; without authentication everyone may. */
export const mayDebug = (c: Context, { auth }: ProxySettings): boolean =>
  auth.disabled || observedRequest(c).mayDebug === true

/** The refusal of a request whose bearer may not use debug mode. */
export const debugRoleMissing = ({ auth }: ProxySettings): RoleMissing =>
  new RoleMissing({ log: { required_roles: auth.debugRoles.join(", ") } })

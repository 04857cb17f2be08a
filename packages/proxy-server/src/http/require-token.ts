import { Exit } from "effect"
import type { Context, MiddlewareHandler } from "hono"
import type { Authentication } from "../auth/authentication.ts"
import type { Principal } from "../auth/claims.ts"
import { RoleMissing } from "../auth/refusals.ts"
import type { ProxySettings } from "../config/settings.ts"
import { observedRequest } from "../observability/observed-request.ts"
import { failureResponse } from "./http-errors.ts"
import type { EffectRunner } from "./run-effect.ts"

/** Passes requests with a valid token and rejects all others before any other processing. */
export const requireToken = (
  run: EffectRunner,
  { recall, authenticate }: Authentication["Service"],
): MiddlewareHandler =>
  async function requireToken(c, next) {
    const header = c.req.header("authorization")
    let principal = recall(header)
    if (principal === undefined) {
      const exit = await run.exit(c, authenticate(header))
      if (Exit.isFailure(exit)) return failureResponse(exit.cause)
      principal = exit.value
    }
    // For the log; the issuer does not limit the length of a name.
    observedRequest(c).caller = principal.name.slice(0, 100)
    c.set(principalKey, principal)
    return next()
  }

const principalKey = "principal"

/** Whether the bearer may use debug mode; without authentication everyone may. */
export const mayDebug = (c: Context): boolean => {
  const principal: Principal | undefined = c.get(principalKey)
  return principal?.mayDebug ?? true
}

/** The refusal of a request whose bearer may not use debug mode. */
export const debugRoleMissing = ({ auth }: ProxySettings): RoleMissing =>
  new RoleMissing({ log: { required_roles: auth.debugRoles.join(", ") } })

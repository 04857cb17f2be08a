import type { MiddlewareHandler } from "hono"
import type { ProxySettings } from "../config/settings.ts"
import { AuthenticationRequired, refusal } from "../http-errors.ts"

/**
 * Lets a request pass or refuses it. With `auth.disable_auth` everybody passes; else nobody does: tokens are not verified
 * yet, and what is not verified opens nothing.
 */
export const requireToken = ({ auth }: ProxySettings): MiddlewareHandler =>
  async function requireToken(_, next) {
    if (!auth.disabled) return refusal(new AuthenticationRequired())
    return next()
  }

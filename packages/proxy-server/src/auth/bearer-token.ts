/** The bearer token of a request. */
import { hash } from "node:crypto"
import { Result } from "effect"
import { TokenInvalid, TokenMissing } from "./refusals.ts"

// RFC 6750 section 2.1: b64token, after a scheme that is compared case-insensitively (RFC 9110 section 11.1). Two
// Authorization headers arrive joined by a comma, which no token contains.
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * The token of an `Authorization` header. `TokenMissing` if there is none, or if its scheme is not Bearer: the response
 * then explains how to authenticate, instead of reporting a wrong token (RFC 6750 section 3.1). `TokenInvalid` if what
 * follows `Bearer` is not one token.
 */
export const bearerToken = (header: string | undefined): Result.Result<string, TokenMissing | TokenInvalid> => {
  const given = header?.trim() ?? ""
  if (!/^bearer\s+\S/i.test(given)) return Result.fail(new TokenMissing())
  const token = bearer.exec(given)?.[1]
  return token === undefined
    ? Result.fail(
        new TokenInvalid({
          fault: "not-a-token",
          log: { reason: "what follows Bearer is not one token" },
        }),
      )
    : Result.succeed(token)
}

/** What caches hold in place of a token: a token can be 15 kB long, and must not stay in memory after its request. */
export const tokenDigest = (token: string): string => hash("sha256", token, "base64url")

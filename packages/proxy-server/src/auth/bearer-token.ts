import { Result } from "effect"
import { TokenInvalid, TokenMissing } from "./refusals.ts"

// RFC 6750 section 2.1: b64token, after a scheme that is compared without regard to case (RFC 9110 section 11.1). Two
// Authorization headers arrive joined by a comma, which no token has.
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

// Anything else before the first space may be a secret whose scheme was forgotten.
const knownScheme = /^(bearer|basic|digest|dpop|negotiate|token)(?=\s|$)/i

/** The token of an `Authorization` header. */
export const bearerToken = (header: string | undefined): Result.Result<string, TokenMissing | TokenInvalid> => {
  if (header === undefined || header.trim() === "") return Result.fail(new TokenMissing())
  const token = bearer.exec(header.trim())?.[1]
  return token === undefined
    ? Result.fail(
        new TokenInvalid({
          description: "The Authorization header must be: Bearer, a space, and one access token",
          log: { scheme: knownScheme.exec(header.trim())?.[0] ?? "none that is known" },
        }),
      )
    : Result.succeed(token)
}

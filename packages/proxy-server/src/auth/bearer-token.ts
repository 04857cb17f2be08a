import { Result } from "effect"
import { TokenInvalid, TokenMissing } from "./refusals.ts"

// RFC 6750 section 2.1: b64token, after a scheme that is compared without regard to case (RFC 9110 section 11.1). Two
// Authorization headers arrive joined by a comma, which no token has.
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * The token of an `Authorization` header. Another scheme, or none that is known, brings no token: its sender is told how
 * to authenticate and not that a token of theirs is wrong (RFC 6750 section 3.1).
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

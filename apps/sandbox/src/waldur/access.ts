import type { WaldurOffering, WaldurRecord, WaldurToken, World } from "../world/world.ts"
import { detail } from "./errors.ts"

/** The user behind `Authorization: Token …`, or the 401 that Waldur gives. */
export function authenticate(world: World, authorization: string | undefined): WaldurToken | Response {
  const [scheme, key, ...rest] = (authorization ?? "").trim().split(/\s+/)
  // Another scheme is another authenticator's business, so to Waldur it is as if nothing had been sent.
  if (scheme?.toLowerCase() !== "token") {
    return detail(401, "Authentication credentials were not provided.", { "WWW-Authenticate": "Token" })
  }
  if (key === undefined) return detail(401, "Invalid token header. No credentials provided.")
  if (rest.length > 0) return detail(401, "Invalid token header. Token string should not contain spaces.")
  const token = world.tokens.get(key)
  if (token === undefined) return detail(401, "Invalid token.")
  return token.expired ? detail(401, "Token has expired.") : token
}

/** Whether the user has a role in the offering that a row (an offering, a resource or an order) belongs to. */
export function visibility(world: World, token: WaldurToken): (row: WaldurRecord) => boolean {
  const { sees } = token
  if (sees === "all") return () => true
  const known = new Set<unknown>(sees)
  // Orders name their offering by uuid only.
  for (const offering of world.offerings) if (known.has(offering.slug)) known.add(offering.uuid)
  return (row) => known.has(row.offering_uuid) || known.has(row.offering_slug)
}

/** Whether the user has a role in this offering. */
export function maySeeOffering(token: WaldurToken, offering: WaldurOffering): boolean {
  const { sees } = token
  return sees === "all" || sees.includes(offering.slug) || sees.includes(offering.uuid)
}

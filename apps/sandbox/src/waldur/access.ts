/** The rights of each kind of user in the mock Waldur, as measured on a real one. */
import type { WaldurOffering, WaldurRecord, WaldurRole, WaldurToken, World } from "../world/world.ts"
import { detail } from "./errors.ts"

/** Returns the user of `Authorization: Token …`, or Waldur's 401. */
export function authenticate(world: World, authorization: string | undefined): WaldurToken | Response {
  const [scheme, key, ...rest] = (authorization ?? "").trim().split(/\s+/)
  // Waldur leaves other schemes to other authenticators, so here they count as absent.
  if (scheme?.toLowerCase() !== "token") {
    return detail(401, "Authentication credentials were not provided.", { "WWW-Authenticate": "Token" })
  }
  if (key === undefined) return detail(401, "Invalid token header. No credentials provided.")
  if (rest.length > 0) return detail(401, "Invalid token header. Token string should not contain spaces.")
  const token = world.tokens.get(key)
  if (token === undefined) return detail(401, "Invalid token.")
  return token.expired ? detail(401, "Token has expired.") : token
}

interface Rights {
  /** The offerings in `marketplace-provider-*`, with their resources and orders. */
  provides: "all" | "own" | "none"
  /** The content of the consumer's list, `marketplace-resources/`. */
  consumes: "all" | "own" | "none"
  /** May act on orders and resources. */
  acts: boolean
  /** May read the customers of an offering; otherwise 403. */
  customers: boolean
  version: boolean
}

const RIGHTS: Record<WaldurRole, Rights> = {
  staff: { provides: "all", consumes: "all", acts: true, customers: true, version: true },
  support: { provides: "all", consumes: "all", acts: false, customers: false, version: true },
  owner: { provides: "own", consumes: "none", acts: true, customers: true, version: false },
  manager: { provides: "own", consumes: "none", acts: true, customers: false, version: false },
  "provider-support": { provides: "own", consumes: "none", acts: false, customers: false, version: false },
  reader: { provides: "own", consumes: "none", acts: false, customers: false, version: false },
  "offering-manager": { provides: "own", consumes: "none", acts: true, customers: false, version: false },
  consumer: { provides: "none", consumes: "own", acts: false, customers: false, version: false },
  "no-role": { provides: "none", consumes: "none", acts: false, customers: false, version: false },
}

export function rightsOf(token: WaldurToken): Rights {
  return RIGHTS[token.role]
}

/** Whether the user sees a resource or an order as its provider, decided by its offering. */
export function visibility(world: World, token: WaldurToken): (row: WaldurRecord) => boolean {
  const { provides } = rightsOf(token)
  if (provides === "none") return () => false
  if (token.sees === "all" && (provides === "all" || token.organization === undefined)) return () => true
  // Orders name their offering by uuid only.
  const known = new Set<unknown>(token.sees === "all" ? [] : token.sees)
  for (const offering of world.offerings) if (maySeeOffering(token, offering)) known.add(offering.uuid)
  const offered = new Set<unknown>(world.offerings.map(({ uuid }) => uuid))
  return ({ offering_uuid: uuid, offering_slug: slug }) =>
    known.has(uuid) || (known.has(slug) && !offered.has(uuid)) || (token.sees === "all" && !offered.has(uuid))
}

/** Whether the user sees a resource as a consumer, in the consumer's list. */
export function consumerVisibility(token: WaldurToken): (row: WaldurRecord) => boolean {
  const { consumes } = rightsOf(token)
  return (row) => consumes === "all" || (consumes === "own" && row.customer_uuid === token.organization)
}

/** Whether the user sees this offering as its provider. */
export function maySeeOffering(token: WaldurToken, offering: WaldurOffering): boolean {
  const { sees, organization } = token
  const { provides } = rightsOf(token)
  const isProvided =
    provides === "all" ||
    (provides === "own" && (organization === undefined || offering.customer_uuid === organization))
  return isProvided && (sees === "all" || sees.includes(offering.slug) || sees.includes(offering.uuid))
}

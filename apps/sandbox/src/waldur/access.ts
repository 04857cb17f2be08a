/** The rights of each kind of user in the mock Waldur, as measured on a real one. */
import type { WaldurOffering, WaldurRecord, WaldurRole, WaldurToken, World } from "../world/world.ts"
import { detail } from "./errors.ts"

/** Returns the user of `Authorization: Token …`, or Waldur's 401. */
export function authenticate(world: World, authorization: string | undefined): WaldurToken | Response {
  // Django REST framework sends the header with every 401: without it, the status would be 403.
  const refused = (text: string) => detail(401, text, { "WWW-Authenticate": "Token" })
  const [scheme, key, ...rest] = (authorization ?? "").trim().split(/\s+/)
  // Waldur leaves other schemes to other authenticators, so here they count as absent.
  if (scheme?.toLowerCase() !== "token") return refused("Authentication credentials were not provided.")
  if (key === undefined) return refused("Invalid token header. No credentials provided.")
  if (rest.length > 0) return refused("Invalid token header. Token string should not contain spaces.")
  const token = world.tokens.get(key)
  if (token === undefined) return refused("Invalid token.")
  return token.expired ? refused("Token has expired.") : token
}

interface Rights {
  /** The offerings in `marketplace-provider-*`, with their resources and orders. */
  provides: "all" | "own" | "none"
  /** The content of the consumer's list, `marketplace-resources/`, with the orders of its resources. */
  consumes: "all" | "own" | "none"
  /** May act on orders and resources. */
  acts: boolean
  /** May read the customers of an offering; otherwise 403. */
  customers: boolean
  /** May read `version/`; otherwise 403. */
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
export function providerVisibility(world: World, token: WaldurToken): (row: WaldurRecord) => boolean {
  if (rightsOf(token).provides === "none") return () => false
  // By UUID, because orders have no slug. Of an offering that the world does not have, the organization is unknown, so that
  // only `sees` decides.
  const offered = new Map<unknown, boolean>(world.offerings.map((one) => [one.uuid, maySeeOffering(token, one)]))
  return ({ offering_uuid: uuid, offering_slug: slug }) =>
    offered.get(uuid) ?? (token.sees === "all" || token.sees.some((one) => one === slug || one === uuid))
}

/** Whether the user sees a resource as a consumer, in the consumer's list. */
export function consumerVisibility(world: World, token: WaldurToken): (row: WaldurRecord) => boolean {
  const { consumes } = rightsOf(token)
  if (consumes === "all") return providerVisibility(world, token)
  const { organization } = token
  return (row) => consumes === "own" && organization !== undefined && row.customer_uuid === organization
}

/** Whether the user sees an order: both the provider and the consumer do. */
export function orderVisibility(world: World, token: WaldurToken): (order: WaldurRecord) => boolean {
  const [ofProvider, ofConsumer] = [providerVisibility(world, token), consumerVisibility(world, token)]
  return (order) => ofProvider(order) || ofConsumer(order)
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

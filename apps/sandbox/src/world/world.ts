import type { JsonObject } from "../json.ts"

/** One row as Waldur's REST API shows it. Nothing is promised about it: recorded and broken rows are served too. */
export type WaldurRecord = JsonObject

/** A row of `/api/marketplace-provider-offerings/`. */
export type WaldurOffering = JsonObject & { uuid: string; slug: string }

/** A row of `/api/marketplace-provider-offerings/{uuid}/customers/`. */
export type WaldurCustomer = JsonObject

/**
 * What a user is in Waldur: of the whole of it (`staff`, `support`), of the provider's organization (`CUSTOMER.OWNER`,
 * `.MANAGER`, `.SUPPORT`, `.READER`), of one of its offerings (`OFFERING.MANAGER`), of an organization that uses them, or
 * nothing. `waldur/access.ts` has what each may do.
 */
export type WaldurRole =
  | "staff"
  | "support"
  | "owner"
  | "manager"
  | "provider-support"
  | "reader"
  | "offering-manager"
  | "consumer"
  | "nobody"

/** Who a Waldur token belongs to. */
export interface WaldurToken {
  username: string
  role: WaldurRole
  /** UUID of the organization of an owner, manager, reader, ... or consumer. Without one, a provider's user sees every offering. */
  organization?: string
  /** `"all"` that the role shows, or the slugs and uuids of the only offerings of them. `[]`: none. */
  sees: "all" | string[]
  /** Refused with 401 "Token has expired.". */
  expired: boolean
}

/** An edge case of the hand-written part of a world. */
export interface EdgeCase {
  /** Stable kebab-case name. */
  label: string
  /** One line: what is odd about the row. */
  about: string
  /** The very object that is in `World.resources`. */
  row: WaldurRecord
}

/**
 * All that the three upstreams know: plain data that a test may change at any time, between two requests or in the
 * middle of a walk through pages. The next request sees the change.
 */
export interface World {
  seed: number
  /** What links inside the rows start with. The Waldur listener sends its own address in its place. */
  apiUrl: string
  /**
   * The time of the next change made by a POST (`modified`), as Waldur writes times. Every change moves it on by one
   * second, so answers do not depend on the hour at which a test runs. The header `Date` of Waldur's answers says it too.
   */
  now: string
  offerings: WaldurOffering[]
  /** Offering uuid -> its customers list. An offering that is not here answers an empty list. */
  customersByOffering: Map<string, WaldurCustomer[]>
  resources: WaldurRecord[]
  /** Every order, past and in progress. In a built world the rows' nested orders are these same objects. */
  orders: WaldurRecord[]
  /**
   * What the HPC User API knows: posixName -> `unixGid` as it is sent, whatever that is. An array sends the name once
   * per element; undefined sends the name without a `unixGid`.
   */
  gids: Map<string, unknown>
  /** Further entries that the HPC User API puts into every answer although nobody asked for them. Normally empty. */
  strayGidEntries: unknown[]
  /** Waldur tokens (40 hex digits) -> whose they are. */
  tokens: Map<string, WaldurToken>
  /** Resource uuid -> label, for the hand-written resources that have a uuid. */
  labels: Map<string, string>
  /** Label -> hand-written resource: also those that lack a uuid. */
  cases: Map<string, EdgeCase>
}

/** The tokens of a built world, by what they are good for. */
export const TOKENS = {
  /** Sees every offering, the foreign one too. */
  staff: "db5cdd1fcb36870abf664ee9ad7d873f2341de0e",
  support: "5b1d7c20e94f63a8d0b2c7e61f9835a47d20be6c",
  owner: "91c4e7ab05d2f8366c1be94a70d53f82c6a9e01d",
  manager: "0e6f42d9b8c7513aa94df0632b7e81c55f3da7e2",
  providerSupport: "c83a19f5e07b4d62921fa6de5b08c37f4ae2610b",
  offeringManager: "7ad05e3b96c1f8240be37d9a6c52f180e4b9d36f",
  consumer: "2c9f6ab3407e8d51f6b08e2d93a7c415d8e60fb7",
  /** A manager of the provider with a role in capstor only. */
  partial: "4026eddc44930371e268c72222b6af0a4ae9184b",
  /** Has no role in any offering: 200, an empty list and count 0 everywhere. */
  blind: "cf8ffa4495abb17590ab5df3e47b0ff55146a5b8",
  /** A reader of the provider: the least that a storage proxy needs. */
  reader: "3f8e2b07c1d94a65b8e0f7a2946d1c53e07b9a4f",
  /** Refused since it has expired. */
  expired: "d021ce5027f33b1c7d3175f304c43c388502639b",
} as const

/**
 * A world made of a caller's own rows, for example recorded ones; whatever is left out is empty. The tokens are those
 * of `TOKENS`.
 */
export function worldOf(parts: Partial<World>): World {
  return {
    seed: 0,
    apiUrl: "http://waldur.invalid/api/",
    now: "2026-11-23T09:00:00.000000Z",
    offerings: [],
    customersByOffering: new Map(),
    resources: [],
    orders: [],
    gids: new Map(),
    strayGidEntries: [],
    tokens: tokensOf({}),
    labels: new Map(),
    cases: new Map(),
    ...parts,
  }
}

/** Whose the tokens of `TOKENS` are; without an organization, a provider's user provides every offering there is. */
export function tokensOf(of: { provider?: string; consumer?: string }): Map<string, WaldurToken> {
  const user = (username: string, role: WaldurRole, more: Partial<WaldurToken> = {}): WaldurToken => ({
    username,
    role,
    sees: "all",
    expired: false,
    ...more,
  })
  const provides = of.provider === undefined ? {} : { organization: of.provider }
  const consumes = of.consumer === undefined ? {} : { organization: of.consumer }
  return new Map([
    [TOKENS.staff, user("staff", "staff")],
    [TOKENS.support, user("support", "support")],
    [TOKENS.owner, user("provider-owner", "owner", provides)],
    [TOKENS.manager, user("provider-manager", "manager", provides)],
    [TOKENS.providerSupport, user("provider-support", "provider-support", provides)],
    [TOKENS.reader, user("provider-reader", "reader", provides)],
    [TOKENS.offeringManager, user("offering-manager", "offering-manager", provides)],
    [TOKENS.consumer, user("consumer", "consumer", consumes)],
    [TOKENS.partial, user("capstor-operator", "manager", { ...provides, sees: ["capstor"] })],
    [TOKENS.blind, user("newcomer", "nobody", { sees: [] })],
    [TOKENS.expired, user("former-operator", "reader", { expired: true })],
  ])
}

/** The data that the sandbox's servers serve. */
import type { JsonObject } from "../json.ts"

/** One row of Waldur's REST API. It may have any content: recorded and broken rows are served too. */
export type WaldurRecord = JsonObject

/** A row of `/api/marketplace-provider-offerings/`. */
export type WaldurOffering = JsonObject & { uuid: string; slug: string }

/** A row of `/api/marketplace-provider-offerings/{uuid}/customers/`. */
export type WaldurCustomer = JsonObject

/**
 * A user's role in Waldur: global (`staff`, `support`), in the provider's organization (`CUSTOMER.OWNER`, `.MANAGER`,
 * `.SUPPORT`, `.READER`), in one of its offerings (`OFFERING.MANAGER`), in a consumer organization, or none.
 * `waldur/access.ts` defines the rights of each.
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
  | "no-role"

/** The user of a Waldur token. */
export interface WaldurToken {
  username: string
  role: WaldurRole
  /**
   * UUID of the organization of an owner, manager, reader, ... or consumer. Without one, a provider's user sees every
   * offering.
   */
  organization?: string
  /** `"all"` that the role allows, or only these offerings, by slug or uuid. `[]`: none. */
  sees: "all" | string[]
  /** Rejected with 401 "Token has expired.". */
  expired: boolean
}

/** An edge case of the hand-written part of a world. */
export interface EdgeCase {
  /** Stable kebab-case name. */
  label: string
  /** One line about what is odd about the row. */
  about: string
  /** The same object as in `World.resources`. */
  row: WaldurRecord
}

/**
 * The data of the three upstreams. A test may change it at any time, between two requests or in the middle of a walk;
 * the next request sees the change, unless `WaldurControl.worldChangesByHand` is false.
 */
export interface World {
  seed: number
  /** The prefix of links in rows. The Waldur listener replaces it with its own address. */
  apiUrl: string
  /**
   * The time of the next change by a POST (`modified`), in Waldur's notation. Every change advances it by one second,
   * so responses do not depend on when a test runs. It is also the `Date` of Waldur's responses.
   */
  now: string
  offerings: WaldurOffering[]
  /** Offering uuid -> its customers list. A missing offering counts as an empty list. */
  customersByOffering: Map<string, WaldurCustomer[]>
  resources: WaldurRecord[]
  /** Every order, past and in progress. In a built world the rows' nested orders are these same objects. */
  orders: WaldurRecord[]
  /**
   * The data of the HPC User API: posixName -> `unixGid`, sent unchanged. An array sends the name once per element;
   * undefined sends the name without a `unixGid`.
   */
  gids: Map<string, unknown>
  /** Unrequested entries that the HPC User API adds to every response. Normally empty. */
  strayGidEntries: unknown[]
  /** Waldur tokens (40 hex digits) -> their users. */
  tokens: Map<string, WaldurToken>
  /** Resource uuid -> label, for the hand-written resources that have a uuid. */
  labels: Map<string, string>
  /** Label -> hand-written resource, including those without a uuid. */
  cases: Map<string, EdgeCase>
}

/** The tokens of a built world, by their purpose. */
export const TOKENS = {
  /** Sees every offering, including the second provider's. */
  staff: "db5cdd1fcb36870abf664ee9ad7d873f2341de0e",
  support: "5b1d7c20e94f63a8d0b2c7e61f9835a47d20be6c",
  owner: "91c4e7ab05d2f8366c1be94a70d53f82c6a9e01d",
  manager: "0e6f42d9b8c7513aa94df0632b7e81c55f3da7e2",
  providerSupport: "c83a19f5e07b4d62921fa6de5b08c37f4ae2610b",
  offeringManager: "7ad05e3b96c1f8240be37d9a6c52f180e4b9d36f",
  consumer: "2c9f6ab3407e8d51f6b08e2d93a7c415d8e60fb7",
  /** A manager of the provider with a role in capstor only. */
  partial: "4026eddc44930371e268c72222b6af0a4ae9184b",
  /** Has no role in any offering: every list is empty, with status 200 and count 0. */
  blind: "cf8ffa4495abb17590ab5df3e47b0ff55146a5b8",
  /** A reader of the provider: all that a storage proxy needs. */
  reader: "3f8e2b07c1d94a65b8e0f7a2946d1c53e07b9a4f",
  /** Rejected with 401 "Token has expired.". */
  expired: "d021ce5027f33b1c7d3175f304c43c388502639b",
} as const

/**
 * Builds a world of a caller's own rows, for example recorded ones; omitted fields are empty, and the tokens default to
 * `TOKENS`.
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

/** The users of the tokens in `TOKENS`; without an organization, a provider's user provides every offering. */
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
    [TOKENS.blind, user("newcomer", "no-role", { sees: [] })],
    [TOKENS.expired, user("former-operator", "reader", { expired: true })],
  ])
}

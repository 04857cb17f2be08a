import type { JsonObject } from "../json.ts"

/** One row as Waldur's REST API shows it. Nothing is promised about it: recorded and broken rows are served too. */
export type WaldurRecord = JsonObject

/** A row of `/api/marketplace-provider-offerings/`. */
export type WaldurOffering = JsonObject & { uuid: string; slug: string }

/** A row of `/api/marketplace-provider-offerings/{uuid}/customers/`. */
export type WaldurCustomer = JsonObject

/** Who a Waldur token belongs to. */
export interface WaldurToken {
  username: string
  /** `"all"`, or the slugs and uuids of the only offerings that the user has a role in. `[]`: none. */
  sees: "all" | string[]
  /** Refused with 401 "Token has expired.". */
  expired: boolean
  /** A reader of the provider (`CUSTOMER.READER`): sees the provider's lists alone, and neither customers nor the version. */
  readsAsProvider?: true
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
  /** Sees capstor only. */
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
    tokens: new Map<string, WaldurToken>([
      [TOKENS.staff, { username: "staff", sees: "all", expired: false }],
      [TOKENS.partial, { username: "capstor-operator", sees: ["capstor"], expired: false }],
      [TOKENS.blind, { username: "newcomer", sees: [], expired: false }],
      [TOKENS.reader, { username: "provider-reader", sees: "all", expired: false, readsAsProvider: true }],
      [TOKENS.expired, { username: "former-operator", sees: "all", expired: true }],
    ]),
    labels: new Map(),
    cases: new Map(),
    ...parts,
  }
}

/** One of the four quotas. */
export type QuotaPart = "space soft" | "space hard" | "inodes soft" | "inodes hard"

/** What of an entry a rule decides. Quotas before and after an Update order have `old` and `new` before their name. */
export type Part =
  | "storage system"
  | "data type"
  | "state"
  | "status"
  | "path"
  | "permission"
  | "removal"
  | "target"
  | "target item"
  | "gid"
  | "uid"
  | "quotas"
  | "old quotas"
  | "new quotas"
  | QuotaPart
  | `old ${QuotaPart}`
  | `new ${QuotaPart}`
  | "callback URLs"
  | "tenant"
  | "customer"

/** What a rule decided: texts, numbers (space in TB, inodes as a count), `null` where there is no such value. */
export type Decided = string | number | null

/**
 * Takes what a rule decided over a resource, tenant or customer, from where it decides; `undefined` where nobody asks, so
 * that `note?.(...)` does not even make the reason's text.
 *
 * @param part what was decided
 * @param value what it became
 * @param from the field of Waldur's record by its path, a setting's path, or another source by its name
 * @param reason one sentence of the rule
 */
export type Note = (part: Part, value: Decided, from: string, reason: string) => void

/** What a `Note` was given. */
export interface Noted {
  readonly part: Part
  readonly value: Decided
  readonly from: string
  readonly reason: string
}

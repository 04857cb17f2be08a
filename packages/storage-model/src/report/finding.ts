import { jsonPrefix } from "../waldur/json-object.ts"

/** Why a resource of Waldur's is not in the list. */
export type SkipCode =
  /** A field that decides over a path, a permission or an identity is not what it must be. */
  | "bad-data"
  /** The HPC User API does not know the project, or knows no usable GID. */
  | "gid-unknown"
  /** The HPC User API could not be asked, and the resource was not served before. */
  | "gid-unavailable"
  /** It is being removed, while something is or may be live at its mount point or below it. */
  | "removal-of-live-path"
  /** It is being removed, and no Terminate order at the provider asks for it. */
  | "removal-without-order"
  /** Its order has not reached the provider yet. */
  | "order-not-approved"
  /** Its offering is not one of the configured storage systems. */
  | "foreign-offering"
  /** Waldur sent the same resource more than once. */
  | "duplicate"

/** What is odd about a resource or customer that is served all the same. */
export type WarningCode =
  | "unknown-data-type"
  | "ignored-value"
  | "soft-above-hard"
  | "customer-fallback"
  | "shared-mount-point"
  /** It is being removed, and its directory lies inside a live resource's. */
  | "nested-mount-point"
  /** Two project slugs have the same GID. */
  | "shared-gid"
  /** One live project slug has two project UUIDs. */
  | "shared-project-slug"

/** What was found wrong with a field, in words for a person who can mend it in Waldur. */
export interface Problem {
  /** The field by its path in Waldur's record: `attributes.permissions`. */
  readonly field: string
  /** What it holds; a text or structure above 200 characters is cut. */
  readonly found: unknown
  /** What is wrong and what is wanted. */
  readonly reason: string
}

/** A problem and the resource that has it. `null` where the record does not even say which it is. */
export interface Finding<Code extends string> extends Problem {
  readonly code: Code
  readonly uuid: string | null
  readonly slug: string | null
  readonly offering_slug: string | null
}

/** A resource that is left out, and why. */
export type Skipped = Finding<SkipCode>
/** Something odd that is served all the same. */
export type Warning = Finding<WarningCode>

/** Takes what a rule wants to say of a resource that stays. */
export type Warn = (code: WarningCode, problem: Problem) => void

/** How many characters of a found value a finding shows: enough to know it again, and a log line stays one. */
const longest = 200

/** A text as a finding shows it. */
export const cut = (text: string): string => (text.length > longest ? `${text.slice(0, longest)}…` : text)

/**
 * A found value as a finding shows it: JSON, of bounded size, however large or deep the value is. `undefined` (a missing
 * field) becomes `null`; what JSON has not, such as `Infinity`, becomes a text.
 */
export const shown = (value: unknown): unknown => {
  if (value === undefined || value === null || typeof value === "boolean" || Number.isFinite(value))
    return value ?? null
  if (typeof value === "string") return cut(value)
  if (typeof value === "function") return "(a function)"
  if (typeof value !== "object") return cut(String(value))
  const { text, isWhole } = jsonPrefix(value, longest)
  return isWhole ? value : text.length < longest ? text : `${text}…`
}

export const problem = (field: string, found: unknown, reason: string): Problem => ({
  field,
  found: shown(found),
  reason,
})

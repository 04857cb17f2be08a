/** What is wrong or odd with a record, as values: a code for programs, and for people the field, what it holds and what is wanted. */
import { Schema } from "effect"
import { jsonPrefix } from "../waldur/json-object.ts"

/** Each reason for which a resource of Waldur's is skipped, as documents explain it. */
export const skipCodes = {
  "bad-data": "A field that decides over a path, a permission or an identity is not what it must be.",
  "gid-unknown": "The HPC User API does not know the project, or knows no usable GID.",
  "gid-unavailable": "The HPC User API could not be asked, and the resource was not served before.",
  "removal-of-live-path": "It is being removed, while something is or may be live at its mount point or below it.",
  "removal-without-order": "It is being removed, and no Terminate order at the provider asks for it.",
  "order-not-approved": "Its order has not reached the provider yet.",
  "foreign-offering": "Its offering is not one of the configured storage systems.",
  duplicate: "Waldur sent the same resource more than once.",
} as const

/** Each oddity of a resource or customer that is served all the same, as documents explain it. */
export const warningCodes = {
  "unknown-data-type": "Its data type is not a known one; it is served as a project's.",
  "ignored-value": "A value cannot be used, and is ignored.",
  "soft-above-hard": "A soft quota is above its hard one, and lowered to it.",
  "customer-fallback": "The offering's list of customers does not name the customer; the resource does.",
  "shared-mount-point": "Another resource or customer has the same directory.",
  "nested-mount-point": "It is being removed, and its directory lies inside a live resource's.",
  "shared-gid": "Two project slugs have the same GID.",
  "shared-project-slug": "One live project slug has two project UUIDs.",
} as const

const keysOf = <K extends string>(codes: Readonly<Record<K, string>>) =>
  Object.keys(codes) as ReadonlyArray<string> as ReadonlyArray<K>

export const SkipCode = Schema.Literals(keysOf(skipCodes))
/** Why a resource is skipped. */
export type SkipCode = typeof SkipCode.Type

export const WarningCode = Schema.Literals(keysOf(warningCodes))
/** What is odd about a resource or customer that is served all the same. */
export type WarningCode = typeof WarningCode.Type

/** What was found wrong with a field, in words for a person who can mend it in Waldur. */
export interface Problem {
  /** The field by its path in Waldur's record: `attributes.permissions`. */
  readonly field: string
  /** What it holds; a text or structure above 200 characters is cut. */
  readonly found: unknown
  /** What is wrong and what is wanted. */
  readonly reason: string
}

const identity = Schema.NullOr(Schema.String)
const finding = <C extends Schema.Top>(code: C) =>
  Schema.Struct({
    code,
    uuid: identity,
    slug: identity,
    offering_slug: identity,
    field: Schema.String,
    found: Schema.Unknown,
    reason: Schema.String,
  })

/** A problem and the resource that has it. `null` if the record does not even tell which it is. */
export interface Finding<Code extends string> extends Problem {
  readonly code: Code
  readonly uuid: string | null
  readonly slug: string | null
  readonly offering_slug: string | null
}

export const Skipped = finding(SkipCode)
/** A resource that is skipped, and why. */
export type Skipped = Finding<SkipCode>

export const Warning = finding(WarningCode)
/** Something odd that is served all the same. */
export type Warning = Finding<WarningCode>

/** A warning before it is known which resource it is about. */
export interface Remark {
  readonly code: WarningCode
  readonly problem: Problem
}

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

export const remark = (code: WarningCode, field: string, found: unknown, reason: string): Remark => ({
  code,
  problem: problem(field, found, reason),
})

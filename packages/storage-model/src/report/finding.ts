/** Findings about a record: a code for programs; for readers the field, its value and what is expected. */
import { Schema } from "effect"
import { jsonPrefix } from "../waldur/json-object.ts"

/** Why a Waldur resource is skipped, by code; the texts appear in docs/rules.md. */
export const skipCodes = {
  "bad-data": "A field that determines a path, a permission or an identity is invalid.",
  "gid-unknown": "The HPC User API does not know the project or has no usable GID for it.",
  "gid-unavailable": "The HPC User API is unavailable, and the resource was not served before.",
  "removal-of-live-path": "It is being removed, but something at or below its mount point is or may be live.",
  "removal-without-order": "It is being removed without a Terminate order at the provider.",
  "order-not-approved": "Its order has not reached the provider yet.",
  "foreign-offering": "Its offering is not one of the configured storage systems.",
  duplicate: "Waldur returned the same resource more than once.",
} as const

/** Warnings about a resource or customer that is served anyway, by code; the texts appear in docs/rules.md. */
export const warningCodes = {
  "unknown-data-type": "Its data type is unknown; it is served as a project's.",
  "ignored-value": "A value is invalid and ignored, or too large and capped.",
  "soft-above-hard": "A soft quota is above the hard quota and is lowered to it.",
  "customer-fallback": "The customer's name comes from the resource, not from the offering's list of customers.",
  "shared-mount-point": "Another resource or customer has the same directory.",
  "nested-mount-point": "It is being removed, and its directory lies inside the directory of a live resource.",
  "shared-gid": "Two project slugs have the same GID.",
  "shared-project-slug": "One live project slug has two project UUIDs.",
} as const

const keysOf = <K extends string>(codes: Readonly<Record<K, string>>) =>
  Object.keys(codes) as ReadonlyArray<string> as ReadonlyArray<K>

/** Schema of the codes for skipped resources. */
export const SkipCode = Schema.Literals(keysOf(skipCodes))
/** Why a resource is skipped. */
export type SkipCode = typeof SkipCode.Type

/** Schema of the codes for warnings. */
export const WarningCode = Schema.Literals(keysOf(warningCodes))
/** Why a resource or customer that is served has a warning. */
export type WarningCode = typeof WarningCode.Type

const problemFields = {
  /** The path of the field in Waldur's record, such as `attributes.permissions`. */
  field: Schema.String,
  /** Its value; cut at 200 characters. */
  found: Schema.Unknown,
  /** What is wrong and what is expected. */
  reason: Schema.String,
}
/** What is wrong with a field, worded for a person who can correct it in Waldur. */
export type Problem = Schema.Struct.Type<typeof problemFields>

const nullableId = Schema.NullOr(Schema.String)
const finding = <C extends Schema.Top>(code: C) =>
  Schema.Struct({ code, uuid: nullableId, slug: nullableId, offering_slug: nullableId, ...problemFields })

/** Schema of a skipped resource. */
export const Skipped = finding(SkipCode)
/** A skipped resource and the reason. */
export type Skipped = typeof Skipped.Type

/** Schema of a warning. */
export const Warning = finding(WarningCode)
/** A warning about a resource or customer that is served. */
export type Warning = typeof Warning.Type

/** A problem and the resource that has it, by its identifiers; those that the record lacks are `null`. */
export type Finding<Code extends string> = Omit<Skipped, "code"> & { readonly code: Code }

/** A warning that is not yet attached to a resource. */
export interface Remark {
  readonly code: WarningCode
  readonly problem: Problem
}

/** Characters of a value that a finding shows: enough to recognise it, short enough for a log line. */
const longest = 200

/** Cuts a string to the length that a finding shows. */
export const cut = (text: string): string => (text.length > longest ? `${text.slice(0, longest)}…` : text)

/**
 * A value as a finding shows it: JSON of bounded size, however large or deep the value is. `undefined` (a missing field)
 * becomes `null`; values that JSON lacks, such as `Infinity`, become strings.
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

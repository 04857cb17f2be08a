/** Schemas of Waldur's resources, and the decoder that skips malformed rows one by one. */
import { Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { getOrMake } from "../get-or-make.ts"
import { cut, type Problem, problem, type Skipped } from "../report/finding.ts"
import { badData, isRefusal, ofOneRecord } from "../rules/ruling.ts"
import { isJsonObject, property } from "./json-object.ts"
import { dashedUuid, isUuid } from "./uuid.ts"

const required = (wanted: string) => ({ messageMissingKey: `missing; expected ${wanted}` })

const uuidBy = (dashed: (text: string) => string | undefined) =>
  Schema.String.check(Schema.makeFilter((text: string) => isUuid(text), { expected: "a UUID" })).pipe(
    Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transform({ decode: (text: string) => dashed(text) ?? text, encode: (text) => text }),
    ),
  )
const Uuid = uuidBy(dashedUuid)

/** How many UUIDs are remembered: more than there are customers and offerings. */
const mostRemembered = 10_000
const remembered = new Map<string, string | undefined>()
/** A UUID that many resources have: they share one text. */
const SharedUuid = uuidBy((text) => {
  if (remembered.size >= mostRemembered) remembered.clear()
  return getOrMake(remembered, text, () => dashedUuid(text))
})
/** In characters; Waldur's own columns hold 500 at most. A longer text would be repeated in every entry below it. */
export const longestText = 1000
const textOf = (shortest: 0 | 1, expected: string) =>
  Schema.String.check(
    Schema.makeFilter((text: string) => text.length >= shortest && text.length <= longestText, { expected }),
  )
const AnyText = textOf(0, `a string of at most ${longestText} characters`)
const Text = textOf(1, `a string of 1 to ${longestText} characters`)
// Not a record, which decodes into a copy of the object.
const JsonObject = Schema.declare(isJsonObject, { expected: "object" })

/** Waldur omits a field or sends null if it has no value. */
const perhaps = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** The order in progress that Waldur nests in a resource (`OrderDetails` in Waldur's API, 8.x). */
export const WaldurOrder = Schema.Struct({
  type: perhaps(AnyText),
  state: perhaps(AnyText),
  url: Schema.optionalKey(Schema.Unknown),
  limits: Schema.optionalKey(Schema.Unknown),
  attributes: Schema.optionalKey(Schema.Unknown),
})
export type WaldurOrder = typeof WaldurOrder.Type

/**
 * A storage resource as `GET /api/marketplace-provider-resources/` returns it, reduced to the fields that an entry depends
 * on. Fields with a rule of their own for invalid values (`limits`, `options`, ...) are not validated here.
 */
export const WaldurResource = Schema.Struct({
  uuid: Uuid.annotateKey(required("a UUID")),
  slug: Text.annotateKey(required("a string")),
  state: Schema.optionalKey(Schema.Unknown),
  created: perhaps(AnyText),
  offering_uuid: SharedUuid.annotateKey(required("a UUID")),
  offering_slug: Text.annotateKey(required("a string")),
  provider_slug: Text.annotateKey(required("a string")),
  provider_name: perhaps(AnyText),
  customer_uuid: perhaps(SharedUuid),
  customer_slug: Text.annotateKey(required("a string")),
  customer_name: perhaps(AnyText),
  project_uuid: Schema.optionalKey(Schema.Unknown),
  project_slug: Text.annotateKey(required("a string")),
  project_name: perhaps(AnyText),
  attributes: perhaps(JsonObject),
  limits: Schema.optionalKey(Schema.Unknown),
  options: Schema.optionalKey(Schema.Unknown),
  backend_id: Schema.optionalKey(Schema.Unknown),
  backend_metadata: Schema.optionalKey(Schema.Unknown),
  order_in_progress: perhaps(WaldurOrder),
})
export type WaldurResource = typeof WaldurResource.Type

/** The names of all fields that the model reads; pass them to Waldur as `field=`. */
export const waldurResourceFields: ReadonlyArray<string> = Object.keys(WaldurResource.fields)

/** The result of `decodeResources`. */
export interface DecodedResources {
  readonly resources: ReadonlyArray<WaldurResource>
  readonly skipped: ReadonlyArray<Skipped>
  /** The original rows of `skipped`, in the same order: their directories must not be removed. */
  readonly malformed: ReadonlyArray<unknown>
}

/**
 * Decodes Waldur's rows one by one: an invalid row is skipped with its reason and does not affect other rows. Never throws,
 * whatever the rows contain.
 */
export const decodeResources = (rows: ReadonlyArray<unknown>): DecodedResources => {
  const resources: Array<WaldurResource> = []
  const skipped: Array<Skipped> = []
  const malformed: Array<unknown> = []
  for (const row of rows) {
    const decoded = ofOneRecord(() => {
      const result = decodeRow(row)
      return Result.isSuccess(result) ? result.success : badData(problemOf(row, result.failure.issue))
    })
    if (!isRefusal(decoded)) resources.push(decoded)
    else {
      skipped.push({ code: decoded.code, ...identityOf(row), ...decoded.problem })
      malformed.push(row)
    }
  }
  return { resources, skipped, malformed }
}

// The first issue is enough to detect an invalid row; all issues are collected for invalid rows only.
const decodeRow = Schema.decodeUnknownResult(WaldurResource)
const decodeForAllIssues = Schema.decodeUnknownResult(WaldurResource, { errors: "all" })
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const problemOf = (row: unknown, first: SchemaIssue.Issue): Problem => {
  const all = decodeForAllIssues(row)
  const { issues } = issuesOf(Result.isFailure(all) ? all.failure.issue : first)
  const [{ path = [], message } = { message: "not a Waldur resource" }, ...others] = issues
  const found = path.reduce<unknown>((value, key) => property(value, String(key)), row)
  const also = others.map((other) => `; also ${(other.path ?? []).map(String).join(".")}: ${inWords(other.message)}`)
  return problem(path.map(String).join("."), found, `${inWords(message)}${also.join("")}`)
}

const inWords = (message: string) => message.replace(/^Expected/, "expected")

const identityOf = (row: unknown) => ({
  uuid: dashedUuid(property(row, "uuid")) ?? null,
  slug: textOrNull(property(row, "slug")),
  offering_slug: textOrNull(property(row, "offering_slug")),
})

const textOrNull = (value: unknown) => (typeof value === "string" ? cut(value) : null)

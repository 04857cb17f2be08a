import { Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { problem, type Skipped } from "./finding.ts"
import { property } from "./json-object.ts"
import { dashedUuid, isUuid } from "./uuid.ts"

const required = (wanted: string) => ({ messageMissingKey: `missing; expected ${wanted}` })

const Uuid = Schema.String.check(Schema.makeFilter((text: string) => isUuid(text), { expected: "a UUID" })).pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform({ decode: (text: string) => dashedUuid(text) ?? text, encode: (text) => text }),
  ),
)
const Text = Schema.String.check(Schema.isMinLength(1, { expected: "a text that is not empty" }))
const JsonObject = Schema.Record(Schema.String, Schema.Unknown)

/** Waldur leaves a field out, or sends null, where there is nothing to say. */
const perhaps = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** The order that Waldur nests in a resource while it is under way (`OrderDetails` in Waldur's API, 8.x). */
export const WaldurOrder = Schema.Struct({
  type: perhaps(Schema.String),
  state: perhaps(Schema.String),
  url: Schema.optionalKey(Schema.Unknown),
  limits: Schema.optionalKey(Schema.Unknown),
  attributes: Schema.optionalKey(Schema.Unknown),
})
export type WaldurOrder = typeof WaldurOrder.Type

/**
 * A storage resource as `GET /api/marketplace-resources/` sends it, as far as an entry depends on it; other fields are
 * ignored. Fields of which an odd value has a rule of its own (`limits`, `options`, ...) are taken as they come.
 */
export const WaldurResource = Schema.Struct({
  uuid: Uuid.annotateKey(required("a UUID")),
  slug: Text.annotateKey(required("a text")),
  state: Schema.optionalKey(Schema.Unknown),
  created: perhaps(Schema.String),
  offering_uuid: Uuid.annotateKey(required("a UUID")),
  offering_slug: Text.annotateKey(required("a text")),
  provider_slug: Text.annotateKey(required("a text")),
  provider_name: perhaps(Schema.String),
  customer_uuid: perhaps(Uuid),
  customer_slug: Text.annotateKey(required("a text")),
  customer_name: perhaps(Schema.String),
  project_uuid: Schema.optionalKey(Schema.Unknown),
  project_slug: Text.annotateKey(required("a text")),
  project_name: perhaps(Schema.String),
  attributes: perhaps(JsonObject),
  limits: Schema.optionalKey(Schema.Unknown),
  options: Schema.optionalKey(Schema.Unknown),
  backend_id: Schema.optionalKey(Schema.Unknown),
  backend_metadata: Schema.optionalKey(Schema.Unknown),
  order_in_progress: perhaps(WaldurOrder),
})
export type WaldurResource = typeof WaldurResource.Type

/** The names of all fields that the model reads: what to ask Waldur for with `field=`. */
export const waldurResourceFields: ReadonlyArray<string> = Object.keys(WaldurResource.fields)

/** What `decodeResources` made of Waldur's rows. */
export interface DecodedResources {
  readonly resources: ReadonlyArray<WaldurResource>
  readonly skipped: ReadonlyArray<Skipped>
  /** The rows of `skipped` as they came, in its order: where one of them lives, nothing may be removed. */
  readonly malformed: ReadonlyArray<unknown>
}

/**
 * Decodes Waldur's rows one by one: a row that is not as it must be is skipped with its reason and costs no other its
 * place. Never throws, whatever the rows are.
 */
export const decodeResources = (rows: ReadonlyArray<unknown>): DecodedResources => {
  const resources: Array<WaldurResource> = []
  const skipped: Array<Skipped> = []
  const malformed: Array<unknown> = []
  for (const row of rows) {
    const decoded = decodeRow(row)
    if (Result.isSuccess(decoded)) resources.push(decoded.success)
    else {
      skipped.push(badRow(row, decoded.failure.issue))
      malformed.push(row)
    }
  }
  return { resources, skipped, malformed }
}

const decodeRow = Schema.decodeUnknownResult(WaldurResource)
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const badRow = (row: unknown, issue: SchemaIssue.Issue): Skipped => {
  const first = issuesOf(issue).issues[0]
  const path = (first?.path ?? []).map(String)
  const found = path.reduce<unknown>((value, key) => property(value, key), row)
  const reason = (first?.message ?? "not a Waldur resource").replace(/^Expected/, "expected")
  return {
    code: "bad-data",
    uuid: dashedUuid(property(row, "uuid")) ?? null,
    slug: textOrNull(property(row, "slug")),
    offering_slug: textOrNull(property(row, "offering_slug")),
    ...problem(path.join("."), found, reason),
  }
}

const textOrNull = (value: unknown) => (typeof value === "string" ? value : null)

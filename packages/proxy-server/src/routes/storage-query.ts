/** The query parameters of the list, and the errors of invalid ones. */
import { type StorageSystem, type WaldurState, waldurStates } from "@cscs/storage-model"
import { Schema, SchemaTransformation } from "effect"
import { parseFlag } from "../config/setting-types.ts"
import type { QueryProblem } from "../http/http-errors.ts"

/** Storage systems that the parameter always accepts, configured or not (the reference document's list). */
const documentedSystems = ["capstor", "vast", "iopsstor"]

/** Allowed values of `storage_system`: the documented names, then other configured ones. */
export const allowedSystems = (configured: ReadonlyArray<StorageSystem>): ReadonlyArray<string> => [
  ...new Set([...documentedSystems, ...configured.map(({ name }) => name)]),
]

/** A decoded query. A parameter is absent if it was not sent, or was sent empty where empty is not a filter. */
export interface StorageQuery {
  readonly storage_system?: string
  readonly data_type?: string
  readonly status?: string
  readonly state?: WaldurState
  readonly page?: number
  readonly page_size?: number
  readonly snapshot?: string
  readonly debug?: boolean
}

export const defaultPage = 1
export const defaultPageSize = 100
const largestPageSize = 500

/** If a parameter is repeated, the last one counts. */
const Parameter = Schema.Union([Schema.String, Schema.Array(Schema.String)]).pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform({
      decode: (given: string | ReadonlyArray<string>) => (typeof given === "string" ? given : (given.at(-1) ?? "")),
      encode: (text: string): string | ReadonlyArray<string> => text,
    }),
  ),
)

// A check's message is `type: msg` of its error: FastAPI's, which callers of the other implementations know.
const integer = (
  least: number,
  most: number | undefined,
  about: { readonly description: string; readonly default: number },
) =>
  Parameter.check(
    Schema.isPattern(/^[+-]?\d+$/, {
      message: "int_parsing: Input should be a valid integer, unable to parse string as an integer",
    }),
  ).pipe(
    Schema.decodeTo(
      Schema.Int.check(
        Schema.isGreaterThanOrEqualTo(least, {
          message: `greater_than_equal: Input should be greater than or equal to ${least}`,
        }),
        ...(most === undefined
          ? []
          : [
              Schema.isLessThanOrEqualTo(most, {
                message: `less_than_equal: Input should be less than or equal to ${most}`,
              }),
            ]),
      ).annotate(about),
      // Beyond 2^53 no double is exact: such a number is only very large, or very small.
      SchemaTransformation.transform({
        decode: (text: string) => Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(text))),
        encode: String,
      }),
    ),
  )

const literals = <const L extends ReadonlyArray<string>>(identifier: string, allowed: L, message: string) =>
  Parameter.check(Schema.makeFilter((text: string) => allowed.includes(text), { message })).pipe(
    Schema.decodeTo(
      Schema.Literals(allowed).annotate({ identifier }),
      SchemaTransformation.transform({ decode: (text: string) => text as L[number], encode: (value) => value }),
    ),
  )

const quoted = waldurStates.map((state) => `'${state}'`)

/** The error type of `storage_system`; its body is the reference document's own. */
export const enumValidation = "enum_validation"

/** The query of `GET /api/storage-resources/` for the configured storage systems. Unknown parameters are ignored. */
export const storageQuerySchema = (configured: ReadonlyArray<StorageSystem>) =>
  Schema.Struct({
    storage_system: Schema.optionalKey(
      literals(
        "StorageSystemName",
        allowedSystems(configured),
        `${enumValidation}: Invalid storage_system value.`,
      ).annotateKey({ description: "Only entries of this storage system." }),
    ),
    data_type: Schema.optionalKey(
      Parameter.annotate({
        description: "Only entries of this data type (store, archive, users, scratch, ...), compared exactly.",
      }),
    ),
    status: Schema.optionalKey(
      Parameter.annotate({
        description:
          "Only entries in this status (pending, active, error, updating, removing, removed). Tenants and customers are always pending.",
      }),
    ),
    state: Schema.optionalKey(
      literals(
        "WaldurState",
        waldurStates,
        `enum: Input should be ${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`,
      ).annotateKey({ description: "Only resources in this Waldur state, and the tenants and customers above them." }),
    ),
    page: Schema.optionalKey(
      integer(1, undefined, { description: "The page, from 1. A page past the end is empty.", default: defaultPage }),
    ),
    page_size: Schema.optionalKey(
      integer(1, largestPageSize, { description: "Entries per page.", default: defaultPageSize }),
    ),
    snapshot: Schema.optionalKey(
      Parameter.annotate({
        description: "The snapshot to page through, as named in the Link header; default the newest.",
      }),
    ),
    debug: Schema.optionalKey(
      Parameter.check(
        Schema.makeFilter((text: string) => parseFlag(text) !== undefined, {
          message: "bool_parsing: Input should be a valid boolean, unable to interpret input",
        }),
      ).pipe(
        Schema.decodeTo(
          Schema.Boolean.annotate({
            description: "Return Waldur's own data, read live, for troubleshooting.",
            default: false,
          }),
          SchemaTransformation.transform({ decode: (text: string) => parseFlag(text) ?? false, encode: String }),
        ),
      ),
    ),
  })

/**
 * The error of one parameter.
 *
 * @param message of the failed check: `type: msg`
 * @param input the value as sent
 */
export const queryProblem = (
  name: string,
  message: string,
  input: string,
  configured: ReadonlyArray<StorageSystem>,
): QueryProblem => {
  const [, type = "value_error", msg = message] = /^(\w+): (.*)$/s.exec(message) ?? []
  if (type !== enumValidation) return { type, loc: ["query", name], msg, input }
  const allowed = allowedSystems(configured)
  return input === ""
    ? {
        type,
        loc: ["query", name],
        msg: "storage_system cannot be empty.",
        ctx: {
          allowed_values: allowed,
          help: `Use ?storage_system=${allowed[0]} (not just ?storage_system=)`,
        },
      }
    : {
        type,
        loc: ["query", name],
        msg,
        ctx: { allowed_values: allowed, help: `Use: ${allowed.map((name) => `?storage_system=${name}`).join(" or ")}` },
      }
}

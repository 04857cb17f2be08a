/** The authenticated project export of the HPC User API. */
import { type Transport, type TransportFailure, tellingNamesOf } from "@cscs/http-transport"
import { Effect, Redacted } from "effect"
import { exportPath, exportQuery } from "./batches.ts"
import { apiErrorFrom, type HpcUserApiError, HpcUserApiUnexpectedResponse } from "./errors.ts"
import { type ExportResult, type GidLookup, parseExport, readProjectExport } from "./export-response.ts"

export interface ProjectExport {
  /** One GET for all names; fails as a whole. */
  readonly get: (names: ReadonlyArray<string>) => Effect.Effect<ExportResult, HpcUserApiError>
  /** Like `get`, but reports a failure for each name. If URL or response are too long, the batch is split in half. */
  readonly lookUp: (names: ReadonlyArray<string>) => Effect.Effect<GidLookup>
}

/** `414 URI Too Long`, `431` which Node and some gateways return instead, or a response that is too large. */
const isTooLarge = ({ status, reason }: TransportFailure) => status === 414 || status === 431 || reason === "too-large"

/** The only call to the HPC User API: GIDs of projects, authenticated. */
export const makeProjectExport = (options: {
  readonly transport: Transport
  /** A valid token, other than the refused one. */
  readonly token: (refused?: Redacted.Redacted) => Effect.Effect<Redacted.Redacted, HpcUserApiError>
  readonly minGid: number
  readonly maxGid: number | undefined
  /** The call's name in failures. */
  readonly call: string
}): ProjectExport => {
  const { transport } = options
  const send = (names: ReadonlyArray<string>, token: Redacted.Redacted) =>
    transport.call({
      method: "GET",
      path: exportPath,
      query: exportQuery(names),
      headers: { authorization: `Bearer ${Redacted.value(token)}` },
      parse: parseExport,
    })

  const exported = Effect.fn("HpcUserClient.export")(function* (
    names: ReadonlyArray<string>,
  ): Effect.fn.Return<ExportResult, HpcUserApiError | TransportFailure> {
    yield* Effect.annotateCurrentSpan("projects", names.length)
    const token = yield* options.token()
    const response = yield* send(names, token).pipe(
      Effect.catchIf(
        (failure) => failure.status === 401,
        () => Effect.flatMap(options.token(token), (fresh) => send(names, fresh)),
      ),
    )
    const found = readProjectExport(response.body, names, options.minGid, options.maxGid)
    if (found !== undefined) return found
    return yield* new HpcUserApiUnexpectedResponse({
      call: options.call,
      detail: `expected {"projects": [...]}, found ${shapeOf(response.body)}`,
    })
  })

  const get: ProjectExport["get"] = (names) =>
    Effect.catchTag(exported(names), "TransportFailure", (failure) => Effect.fail(apiErrorFrom(failure)))

  const lookUp: ProjectExport["lookUp"] = (names) =>
    exported(names).pipe(
      Effect.map((found): GidLookup => ({ ...found, failed: new Map() })),
      Effect.catch((error) => {
        if (error._tag === "TransportFailure" && isTooLarge(error) && names.length > 1) {
          const half = Math.ceil(names.length / 2)
          return Effect.logWarning(`${error.message}; the ${names.length} projects are requested in halves`).pipe(
            Effect.annotateLogs({ event: "gids-request-halved" }),
            Effect.andThen(Effect.zipWith(lookUp(names.slice(0, half)), lookUp(names.slice(half)), merged)),
          )
        }
        const failure = error._tag === "TransportFailure" ? apiErrorFrom(error) : error
        return Effect.succeed<GidLookup>({
          known: new Map(),
          unknown: new Map(),
          failed: new Map(names.map((name) => [name, failure])),
        })
      }),
    )

  return { get, lookUp }
}

const merged = (one: GidLookup, other: GidLookup): GidLookup => ({
  known: new Map([...one.known, ...other.known]),
  unknown: new Map([...one.unknown, ...other.unknown]),
  failed: new Map([...one.failed, ...other.failed]),
})

/** Describes a body by its type and well-known names, without values. */
const shapeOf = (body: unknown): string => {
  if (body === undefined) return "an empty body"
  if (body === null) return "null"
  if (Array.isArray(body)) return "an array"
  if (typeof body !== "object") return `a ${typeof body}`
  const names = tellingNamesOf(body)
  return names.length === 0 ? "an object without it" : `an object with the keys ${names.join(", ")}`
}

/** Maps every error of a request to its HTTP response and its log line. */
import { Cause, Data, Effect, Schema } from "effect"
import type { AuthenticationRefusal } from "../auth/refusals.ts"
import type { TooBusy } from "../concurrency/shared-calls.ts"
import { logEvent } from "../observability/log-events.ts"
import { errorAnnotations, type RefreshError, upstreamOf } from "../refresh/refresh-errors.ts"
import { dataHeaders } from "./http-headers.ts"

/** Query parameters are invalid. */
export class InvalidQuery extends Data.TaggedError("InvalidQuery")<{
  readonly problems: ReadonlyArray<QueryProblem>
}> {}

/** The path does not exist. */
export class NotFound extends Data.TaggedError("NotFound") {}

/** The path exists, but not with this method. */
export class MethodNotAllowed extends Data.TaggedError("MethodNotAllowed")<{ readonly allow: string }> {}

/** The snapshot that the caller walks through is no longer kept. */
export class SnapshotGone extends Data.TaggedError("SnapshotGone")<{
  /** The first page of the same query, relative to the list's URL; `undefined` if it is too long for a header. */
  readonly startAgainAt: string | undefined
}> {}

/** Every error of a request. */
export type RequestError =
  | AuthenticationRefusal
  | InvalidQuery
  | NotFound
  | MethodNotAllowed
  | SnapshotGone
  | TooBusy
  | RefreshError

/** The body of every error except 422. */
export const ErrorBody = Schema.Struct({
  detail: Schema.String.annotate({ description: "What went wrong, for people." }),
  error: Schema.String.annotate({ description: "What went wrong, for programs." }),
  help: Schema.optionalKey(Schema.String.annotate({ description: "The remedy." })),
  message: Schema.optionalKey(Schema.String),
}).annotate({ identifier: "Error" })

/** The body of a 422. */
export const QueryErrorBody = Schema.Struct({
  detail: Schema.Array(
    Schema.Struct({
      type: Schema.String.annotate({
        description: "int_parsing, greater_than_equal, less_than_equal, enum, bool_parsing or enum_validation.",
      }),
      loc: Schema.Tuple([Schema.Literal("query"), Schema.String]),
      msg: Schema.String,
      input: Schema.optionalKey(Schema.String),
      ctx: Schema.optionalKey(
        Schema.Struct({ allowed_values: Schema.Array(Schema.String), help: Schema.String }).annotate({
          identifier: "QueryProblemContext",
        }),
      ),
    }).annotate({ identifier: "QueryProblem" }),
  ),
}).annotate({ identifier: "QueryError" })

/** One invalid parameter, in FastAPI's form. */
export type QueryProblem = (typeof QueryErrorBody.Type)["detail"][number]

interface ErrorResponse {
  readonly status: number
  readonly body: typeof ErrorBody.Type | typeof QueryErrorBody.Type
  readonly headers?: Readonly<Record<string, string>>
}

const upstreamNames = { waldur: "Waldur", "hpc-user-api": "The HPC User API" } as const

/** When to try again if the issuer does not respond, or if other callers' expensive calls are running. */
const retryAfterSeconds = "5"

/** RFC 6750 section 3. */
const challenge = (error: string, description: string) => `Bearer error="${error}", error_description="${description}"`

const response = (
  status: number,
  error: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
  more: Pick<typeof ErrorBody.Type, "help" | "message"> = {},
): ErrorResponse => ({ status, headers, body: { detail, error, ...more } })

const later = { "Retry-After": retryAfterSeconds }

const unauthenticated = (authenticate: string, detail: string): ErrorResponse =>
  response(401, "AuthenticationError", detail, { "WWW-Authenticate": authenticate }, { help: tokenHelp })

const tokenHelp =
  "Send an access token of the configured issuer that is meant for this service: Authorization: Bearer <token>"

/** The HTTP form of each error. It contains neither upstream addresses nor upstream responses: those are in the log. */
const errorResponse = (error: RequestError): ErrorResponse => {
  switch (error._tag) {
    case "TokenMissing":
      return unauthenticated("Bearer", "The request has no access token")
    case "TokenInvalid":
      return unauthenticated(challenge("invalid_token", error.description), error.description)
    case "RoleMissing": {
      const detail = "The token lacks a required role"
      return response(403, "AuthorizationError", detail, {
        "WWW-Authenticate": challenge("insufficient_scope", detail),
      })
    }
    case "IssuerUnavailable": {
      const detail = "Access tokens cannot be checked now, because their issuer does not respond"
      return response(503, "AuthenticationUnavailable", detail, later)
    }
    case "InvalidQuery":
      return { status: 422, body: { detail: error.problems } }
    case "NotFound":
      return response(404, "NotFound", "Not Found")
    case "MethodNotAllowed":
      return response(405, "MethodNotAllowed", "Method Not Allowed", { Allow: error.allow })
    case "SnapshotGone": {
      const { startAgainAt } = error
      const link = startAgainAt === undefined ? {} : { Link: `<${startAgainAt}>; rel="first"` }
      const detail = "The snapshot is no longer available: further pages would belong to another list"
      const help = `Start the walk again: GET ${startAgainAt ?? "the first page of the same query"}`
      return response(410, "SnapshotGone", detail, link, { help })
    }
    case "TooBusy": {
      const detail = "Too many debug reads or explanations are running; this one did not begin in time"
      return response(503, "TooBusy", detail, later)
    }
    case "RefreshDied":
      return internalError
    default: {
      const upstream = upstreamOf(error)
      const source = upstream === undefined ? "An upstream or another replica" : upstreamNames[upstream]
      const detail = `${source} returns no usable response, and no usable list is cached`
      const message = "Failed to communicate with an upstream service."
      return response(502, "UpstreamServiceError", detail, {}, { message })
    }
  }
}

/** The body of the response to an error, as an example. */
export const errorBody = (error: RequestError): ErrorResponse["body"] => errorResponse(error).body

/** The body of a 500. */
export const internalErrorBody = { detail: "Internal Server Error", error: "InternalServerError" }
const internalError: ErrorResponse = { status: 500, body: internalErrorBody }

const stopping = response(503, "Stopping", "The proxy is stopping; try again", later)

const responseOf = ({ status, body, headers }: ErrorResponse): Response =>
  Response.json(body, { status, headers: { ...dataHeaders, ...headers } })

/** The response that refuses a request. */
export const refusal = (error: RequestError): Response => responseOf(errorResponse(error))

/** The response for a failed request. Errors become HTTP only here and in `refusal`. */
export const failureResponse = (cause: Cause.Cause<RequestError>): Response => {
  // If the caller has disconnected, this response is never seen. So the work was interrupted by shutdown.
  if (Cause.hasInterruptsOnly(cause)) return responseOf(stopping)
  const error = Cause.findErrorOption(cause)
  return error._tag === "Some" ? refusal(error.value) : responseOf(internalError)
}

/** Logs what the response omits: the upstream's message, or the fault in our own code. */
export const logFailure = (cause: Cause.Cause<RequestError>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause))
    return Effect.logDebug("The caller disconnected, or the process stopped, before the response").pipe(
      logEvent("caller-left"),
    )
  const error = Cause.findErrorOption(cause)
  if (error._tag === "None") return Effect.logError("Internal error", cause).pipe(logEvent("internal-error"))
  const { value } = error
  switch (value._tag) {
    case "InvalidQuery":
    case "NotFound":
    case "MethodNotAllowed":
    case "SnapshotGone":
    case "TokenMissing":
    case "TooBusy":
      return Effect.void
    case "TokenInvalid":
      return Effect.logInfo("Token refused").pipe(
        logEvent("token-refused"),
        Effect.annotateLogs({ ...value.log, why: value.description }),
      )
    case "RoleMissing":
      return Effect.logInfo("Token without a required role").pipe(
        logEvent("role-missing"),
        Effect.annotateLogs(value.log),
      )
    default: {
      const { status } = errorResponse(value)
      return Effect.logError(`Responded ${status}`).pipe(
        logEvent("request-failed"),
        Effect.annotateLogs(errorAnnotations(value)),
      )
    }
  }
}

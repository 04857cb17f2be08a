import { Schema } from "effect"
import type { MiddlewareHandler } from "hono"
import { type DescribeRouteOptions, describeRoute } from "hono-openapi"
import type { ProxySettings } from "../config/settings.ts"
import { ErrorBody, QueryErrorBody } from "../http/http-errors.ts"
import { jsonContent } from "../openapi/effect-schemas.ts"
import { DebugAnswer } from "./debug-answer.ts"
import { StorageAnswer } from "./storage-answer.ts"
import { linesType } from "./storage-response.ts"

const text = { schema: { type: "string" } } as const
const link = {
  description:
    "first, prev, next and last page (RFC 8288), as queries relative to the list's URL. All but first name the same snapshot, so that a walk sees one list even if the data changes.",
  ...text,
} as const
const snapshotHeaders = {
  ETag: { description: "Entity tag of this response, content coding included; identical on all replicas.", ...text },
  Age: {
    description: "Age of the response: seconds since the read of Waldur began.",
    schema: { type: "integer", minimum: 0 },
  },
  "Last-Modified": { description: "When the list first had this content.", ...text },
} as const
const challenge = { "WWW-Authenticate": { description: "RFC 6750 section 3.", required: true, ...text } } as const

/** The OpenAPI description of `GET /api/storage-resources/`. */
export const describeStorage = ({ auth }: ProxySettings): MiddlewareHandler =>
  describeRoute({
    summary: "Storage resources",
    description:
      "The tree of tenants, customers and projects of all storage systems as a list; a parent directly precedes its descendants. " +
      "`Cache-Control: no-cache` requests a list that is read after the request arrived.",
    // Without authentication a token may still be sent.
    security: [...(auth.disabled ? [{}] : []), { bearer: [] }],
    parameters: [
      { name: "If-None-Match", in: "header", description: "The ETag of a response that the caller has.", ...text },
      { name: "Cache-Control", in: "header", description: "`no-cache`: read Waldur first.", ...text },
      { name: "X-Request-Id", in: "header", description: "Returned in the response, and logged.", ...text },
      { name: "traceparent", in: "header", description: "The caller's span (W3C Trace Context).", ...text },
    ],
    responses: identified({
      200: {
        description: "A page of entries, or the whole list with one entry per line; with debug=true Waldur's own data.",
        headers: {
          // Debug mode has none of these headers, and the whole list has no pages.
          Link: link,
          ...snapshotHeaders,
        },
        content: {
          ...jsonContent(Schema.Union([StorageAnswer, DebugAnswer])),
          [linesType]: {
            schema: { type: "string", description: "All entries that pass the filters, as JSON, one per line." },
          },
        },
      },
      304: {
        description: "The caller already has this response.",
        headers: {
          Link: link,
          ETag: { ...snapshotHeaders.ETag, required: true },
          Age: { ...snapshotHeaders.Age, required: true },
          "Last-Modified": { ...snapshotHeaders["Last-Modified"], required: true },
        },
      },
      401: {
        description: "No valid access token.",
        headers: challenge,
        content: jsonContent(ErrorBody),
      },
      403: {
        description: "The access token lacks a required role.",
        headers: challenge,
        content: jsonContent(ErrorBody),
      },
      410: {
        description: "The snapshot is no longer available: the walk must start again.",
        headers: { Link: { description: "first: the page to start again from.", required: true, ...text } },
        content: jsonContent(ErrorBody),
      },
      422: { description: "A parameter is invalid.", content: jsonContent(QueryErrorBody) },
      500: { description: "A fault in the proxy.", content: jsonContent(ErrorBody) },
      502: { description: "An upstream fails and no usable list is cached.", content: jsonContent(ErrorBody) },
      503: {
        description:
          "Access tokens cannot be checked, because their issuer does not respond; or too many reads with debug=true are running.",
        headers: { "Retry-After": { description: "Seconds.", required: true, schema: { type: "integer" } } },
        content: jsonContent(ErrorBody),
      },
    }),
  })

type Responses = NonNullable<DescribeRouteOptions["responses"]>

/** Every response carries its request's id. */
const identified = (responses: Responses): Responses =>
  Object.fromEntries(
    Object.entries(responses).map(([status, response]) => [
      status,
      "$ref" in response
        ? response
        : {
            ...response,
            headers: {
              ...("headers" in response ? response.headers : {}),
              "X-Request-Id": { description: "The id of the request, or a new one.", required: true, ...text },
            },
          },
    ]),
  )

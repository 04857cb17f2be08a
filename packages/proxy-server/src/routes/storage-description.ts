/** The OpenAPI description of the list and of its debug mode. */
import type { MiddlewareHandler } from "hono"
import { type DescribeRouteOptions, describeRoute, type generateSpecs } from "hono-openapi"
import { IssuerUnavailable, RoleMissing, TokenMissing } from "../auth/refusals.ts"
import type { ProxySettings } from "../config/settings.ts"
import { version } from "../config/version.ts"
import { ErrorBody, errorBody, internalErrorBody, NotFound, QueryErrorBody, SnapshotGone } from "../http/http-errors.ts"
import { jsonContent } from "../openapi/effect-schemas.ts"
import examples from "../openapi/examples.json" with { type: "json" }
import { OfferingsInvisible } from "../refresh/refresh-errors.ts"
import { DebugResponse } from "./debug-response.ts"
import { ExplanationResponse } from "./explanation-response.ts"
import { StorageList } from "./storage-list.ts"
import { queryProblem } from "./storage-query.ts"
import { linesType } from "./storage-response.ts"

const text = { schema: { type: "string" } } as const
const integer = { schema: { type: "integer", minimum: 0 } } as const
const snapshotHeaders = {
  ETag: {
    description: "Entity tag of this response, content coding included; identical on all replicas.",
    required: true,
    ...text,
  },
  Age: { description: "Age of the response: seconds since the read of Waldur began.", required: true, ...integer },
  "Last-Modified": { description: "When the list first had this content.", required: true, ...text },
  "X-Total-Count": {
    description:
      "Number of entries that pass the filters, on all pages or in all lines. A caller that has received fewer has an incomplete list.",
    required: true,
    ...integer,
  },
  Link: {
    description:
      "first, prev, next and last page (RFC 8288), as queries relative to the list's URL. All but first name the same snapshot, so that a walk sees one list even if the data changes. Absent from NDJSON responses.",
    ...text,
  },
} as const
const challenge = { "WWW-Authenticate": { description: "RFC 6750 section 3.", required: true, ...text } } as const

/** Without authentication a token may still be sent. */
const securityOf = ({ disabled }: ProxySettings["auth"]) => [...(disabled ? [{}] : []), { bearer: [] }]

const tokenRefusals = {
  401: {
    description: "No valid access token.",
    headers: challenge,
    content: jsonContent(ErrorBody, errorBody(new TokenMissing())),
  },
  403: {
    description: "The access token lacks a required role.",
    headers: challenge,
    content: jsonContent(ErrorBody, errorBody(new RoleMissing({ log: {} }))),
  },
}

/** @param tooBusy a further cause of a 503 */
const failures = (tooBusy = "") => ({
  500: { description: "A fault in the proxy.", content: jsonContent(ErrorBody, internalErrorBody) },
  502: {
    description: "An upstream fails and no usable list is cached.",
    content: jsonContent(ErrorBody, errorBody(new OfferingsInvisible({ slugs: [] }))),
  },
  503: {
    description: `Access tokens cannot be checked, because their issuer does not respond${tooBusy}.`,
    headers: { "Retry-After": { description: "Seconds.", required: true, ...integer } },
    content: jsonContent(ErrorBody, errorBody(new IssuerUnavailable({ detail: "" }))),
  },
})

/** The OpenAPI description of `GET /api/storage-resources/`. */
export const describeStorage = ({ auth, model: { storageSystems } }: ProxySettings): MiddlewareHandler =>
  describeRoute({
    operationId: "listStorageResources",
    summary: "Storage resources",
    description:
      "The tree of tenants, customers and projects of all storage systems as a list; a parent directly precedes its descendants. " +
      "`Cache-Control: no-cache` requests a list that is read after the request arrived.",
    tags: ["storage"],
    security: securityOf(auth),
    parameters: [
      { name: "If-None-Match", in: "header", description: "The ETag of a response that the caller has.", ...text },
      { name: "Cache-Control", in: "header", description: "`no-cache`: read Waldur first.", ...text },
      { name: "X-Request-Id", in: "header", description: "Returned in the response, and logged.", ...text },
      { name: "traceparent", in: "header", description: "The caller's span (W3C Trace Context).", ...text },
    ],
    responses: identified({
      200: {
        description: "A page of entries, or with `Accept: application/x-ndjson` the whole list, one entry per line.",
        headers: snapshotHeaders,
        content: {
          ...jsonContent(StorageList, { ...examples.page, version }),
          [linesType]: {
            schema: { type: "string", description: "All entries that pass the filters, as JSON, one per line." },
            example: examples.page.resources.map((entry) => `${JSON.stringify(entry)}\n`).join(""),
          },
        },
      },
      304: { description: "The caller already has this response.", headers: snapshotHeaders },
      ...tokenRefusals,
      410: {
        description: "The snapshot is no longer available: the walk must start again.",
        headers: { Link: { description: "first: the page to start again from.", required: true, ...text } },
        content: jsonContent(ErrorBody, errorBody(new SnapshotGone({ startAgainAt: "?page=1" }))),
      },
      422: {
        description: "A parameter is invalid.",
        content: jsonContent(QueryErrorBody, {
          detail: [queryProblem("page", "int_parsing: Input should be a valid integer", "x", storageSystems)],
        }),
      },
      ...failures(),
    }),
  })

/** The OpenAPI description of `GET /api/storage-resources/{uuid}/explanation`. */
export const describeExplanation = ({ auth }: ProxySettings): MiddlewareHandler =>
  describeRoute({
    operationId: "explainStorageResource",
    summary: "Where an entry comes from",
    description:
      "Which rule decided each value of an entry, why a resource is not in the list, and what must happen next. Requires the roles of debug mode.",
    tags: ["storage"],
    security: securityOf(auth),
    parameters: [
      {
        name: "uuid",
        in: "path",
        required: true,
        description: "The UUID of a resource, customer or offering, with or without dashes.",
        schema: { type: "string", format: "uuid" },
      },
    ],
    responses: identified({
      200: { description: "The explanation.", content: jsonContent(ExplanationResponse, examples.explanation) },
      ...tokenRefusals,
      404: {
        description: "Nothing that Waldur shows the proxy has this UUID.",
        content: jsonContent(ErrorBody, errorBody(new NotFound())),
      },
      ...failures("; or too many explanations are being made"),
    }),
  })

/** The OpenAPI description of debug mode: what differs from the list. */
export const describeDebug = (): MiddlewareHandler =>
  describeRoute({
    operationId: "debugStorageResources",
    summary: "Storage resources, in debug mode",
    description:
      "Waldur's own data, read live, for troubleshooting. It has the URL of the list, which works with and without its " +
      "trailing slash; the parameter `debug` selects it.",
    parameters: [
      {
        name: "debug",
        in: "query",
        description: "true, 1, yes or on. Without it, the response is a page of the list.",
        required: true,
        schema: { type: "boolean", enum: [true] },
      },
    ],
    responses: identified({
      200: { description: "Waldur's own data.", content: jsonContent(DebugResponse, examples.debug) },
      ...failures("; or too many reads with debug=true are running"),
    }),
  })

type Document = Awaited<ReturnType<typeof generateSpecs>>

/**
 * Separates the two operations of one route: otherwise each caller would have to tell whether a response is a page or
 * Waldur's own data.
 *
 * @param list the path that stands for the list
 * @param debug the path that stands for debug mode
 */
export const separated = (document: Document, list: string, debug: string): Document =>
  without(without(document, list, ["debug"]), debug, ["snapshot", "If-None-Match", "Cache-Control", "304", "410"])

/** Removes parameters and responses by name and status. */
const without = (document: Document, path: string, names: ReadonlyArray<string>): Document => {
  const operation = document.paths[path]?.get
  if (operation === undefined) throw new Error(`${path} is not described`)
  const { parameters = [], responses } = operation
  const get = {
    ...operation,
    parameters: parameters.filter((one) => !("name" in one && names.includes(one.name))),
    responses: Object.fromEntries(Object.entries(responses).filter(([status]) => !names.includes(status))),
  }
  return { ...document, paths: { ...document.paths, [path]: { get } } }
}

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

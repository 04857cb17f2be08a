/** A few queries of the orderly world: status, body and what the filters leave, ours against each peer's. */
import type { Comparison } from "./differences.ts"
import type { ContractLine } from "./entry-classes.ts"
import { at, differingPaths, isObject, type JsonObject, listAt, same, textAt } from "./json-values.ts"
import { type Answer, ask, askList, dashed, keyOf, kindOf, type SentEntry } from "./listings.ts"
import type { PeerVersion } from "./peers.ts"

const queries: ReadonlyArray<string> = [
  "",
  "storage_system=capstor",
  "storage_system=vast",
  "storage_system=iopsstor",
  "storage_system=capstor&storage_system=vast",
  "data_type=store",
  "data_type=users",
  "data_type=Store",
  "data_type=bogus",
  "data_type=",
  "status=active",
  "status=removed",
  "status=pending",
  "status=bogus",
  "status=",
  "state=OK",
  "state=Terminated",
  "storage_system=vast&data_type=users&status=active",
  "page=2&page_size=20",
  "page=99",
  "foo=bar",
  "page=0",
  "page=x",
  "page=1.5",
  "page=",
  "page_size=501",
  "state=foo",
  "state=",
  "storage_system=bogus",
  "storage_system=CAPSTOR",
  "storage_system=",
  "debug=true",
  "debug=true&storage_system=capstor",
  "debug=maybe",
  "page=0&page_size=501",
  "storage_system=bogus&page=0",
]
const otherPaths: ReadonlyArray<string> = ["/api/storage-resources", "/api/nothing-here"]

/** One thing in which two answers to a query differ. */
export interface QueryDifference {
  readonly query: string
  /** `status`, `Link`, `entries`, or a path in the body. */
  readonly path: string
  readonly ours: unknown
  readonly theirs: unknown
  readonly explainedBy: string | undefined
}

export interface ComparedQuery {
  readonly query: string
  readonly ourStatus: number
  readonly theirStatus: number
  readonly ourEntries: number | undefined
  readonly theirEntries: number | undefined
  readonly differences: ReadonlyArray<QueryDifference>
}

interface Answered {
  readonly query: string
  readonly ours: Answer
  readonly theirs: Answer
}

interface Found extends Answered {
  readonly path: string
  readonly our: unknown
  readonly their: unknown
}

interface QueryClass extends ContractLine {
  readonly peers: ReadonlyArray<PeerVersion>
  readonly explains: (found: Found, comparison: Comparison) => boolean
}

/** Asks both the same and compares. The lists in `comparison` are what the filters are judged by. */
export const compareQueries = async (
  ourUrl: string,
  theirUrl: string,
  comparison: Comparison,
  deadline: AbortSignal,
): Promise<ReadonlyArray<ComparedQuery>> => {
  const compared: Array<ComparedQuery> = []
  for (const query of queries) {
    compared.push(
      compareAnswers(
        { query, ours: await askList(ourUrl, query, deadline), theirs: await askList(theirUrl, query, deadline) },
        comparison,
      ),
    )
  }
  for (const path of otherPaths) {
    const [ours, theirs] = [await ask(ourUrl, path, deadline), await ask(theirUrl, path, deadline)]
    compared.push(compareAnswers({ query: `GET ${path}`, ours, theirs }, comparison))
  }
  return compared
}

const compareAnswers = (answered: Answered, comparison: Comparison): ComparedQuery => {
  const { query, ours, theirs } = answered
  const differences = [...pathsOf(answered)].map(([path, [our, their]]): QueryDifference => {
    const found = { ...answered, path, our, their }
    const explained = isAsWanted(found, comparison)
      ? queryClasses.find(({ peers, explains }) => peers.includes(comparison.peer) && explains(found, comparison))
      : undefined
    return { query, path, ours: our, theirs: their, explainedBy: explained?.name }
  })
  return {
    query,
    ourStatus: ours.status,
    theirStatus: theirs.status,
    ourEntries: entriesIn(ours),
    theirEntries: entriesIn(theirs),
    differences,
  }
}

const entriesIn = ({ body }: Answer) => {
  const resources = at(body, "resources")
  return Array.isArray(resources) ? resources.length : undefined
}

/** Where two answers differ. Bodies are compared where the status is the same: else that says it all. */
const pathsOf = ({ query, ours, theirs }: Answered): ReadonlyMap<string, readonly [our: unknown, their: unknown]> => {
  const paths = new Map<string, readonly [unknown, unknown]>()
  const add = (path: string, our: unknown, their: unknown) => {
    if (!same(our, their)) paths.set(path, [our, their])
  }
  add("status", ours.status, theirs.status)
  if (ours.status !== theirs.status) return paths
  if (isDebug(query)) {
    add("keys", keysOf(ours.body), keysOf(theirs.body))
    return paths
  }
  if (ours.status === 422) {
    const [our, their] = [problems(ours), problems(theirs)]
    for (const name of new Set([...our.keys(), ...their.keys()])) {
      const [one, other] = [our.get(name), their.get(name)]
      if (one === undefined || other === undefined) add(`detail of ${name}`, one, other)
      else
        for (const path of differingPaths(one, other)) add(`detail of ${name}: ${path}`, at(one, path), at(other, path))
    }
    return paths
  }
  add("Link", ours.link === null ? undefined : "sent", theirs.link === null ? undefined : "sent")
  const withoutEntries = ({ body }: Answer) => (isObject(body) ? { ...body, resources: undefined } : body)
  for (const path of differingPaths(withoutEntries(ours), withoutEntries(theirs))) {
    add(path, at(ours.body, path), at(theirs.body, path))
  }
  if (ours.status === 200) add("entries", keysIn(ours), keysIn(theirs))
  return paths
}

const isDebug = (query: string) => parameter(query, "debug") === "true"

const keysOf = (body: unknown) => (isObject(body) ? Object.keys(body) : undefined)

const keysIn = ({ body }: Answer): ReadonlyArray<string> => listAt(body, "resources").filter(isObject).map(keyOf)

/** Each problem of a 422 by its parameter; their order means nothing. */
const problems = ({ body }: Answer): ReadonlyMap<string, JsonObject> =>
  new Map(listAt(body, "detail").flatMap((one) => (isObject(one) ? [[listAt(one, "loc").join("."), one]] : [])))

const parameter = (query: string, name: string) => new URLSearchParams(query).getAll(name).at(-1)

/** The keys that a query should leave of a list, in its order, page and all. */
const filtered = (
  list: ReadonlyArray<SentEntry>,
  query: string,
  { rows, world }: Comparison,
): ReadonlyArray<SentEntry> => {
  const system = parameter(query, "storage_system")
  const [type, status, state] = [parameter(query, "data_type"), parameter(query, "status"), parameter(query, "state")]
  const inState = new Set(
    [...rows.values()]
      .filter((row) => row.state === state)
      .flatMap((row) => {
        const place = `${dashed(row.offering_uuid)} ${at(row.attributes, "storage_data_type")}`
        return [`${dashed(row.uuid)}`, place, `${dashed(row.customer_uuid)} ${place}`]
      }),
  )
  const tenants = new Set(world.offerings.map(({ uuid }) => dashed(uuid)))
  const isInState = (entry: JsonObject) => {
    const type = textAt(entry, "storageDataType.key")
    const id = dashed(entry.itemId)
    if (kindOf(entry) === "resource") return inState.has(`${id}`)
    return inState.has(tenants.has(id) ? `${id} ${type}` : `${id} ${dashed(entry.parentItemId)} ${type}`)
  }
  return list.filter(
    ({ entry }) =>
      (system === undefined || textAt(entry, "storageSystem.key") === system) &&
      (!type || textAt(entry, "storageDataType.key") === type) &&
      (!status || entry.status === status) &&
      (state === undefined || isInState(entry)),
  )
}

const pageOf = <A>(list: ReadonlyArray<A>, query: string): ReadonlyArray<A> => {
  const [page, size] = [Number(parameter(query, "page") ?? 1), sizeIn(query)]
  return list.slice((page - 1) * size, page * size)
}
const sizeIn = (query: string) => Number(parameter(query, "page_size") ?? 100)

const keys = (list: ReadonlyArray<SentEntry>) => list.map(({ entry }) => keyOf(entry))

const states = ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated"]
const systems = ["capstor", "vast", "iopsstor"]

const systemProblem = (given: string): JsonObject => {
  const uses = systems.map((name) => `?storage_system=${name}`)
  return {
    type: "enum_validation",
    loc: ["query", "storage_system"],
    msg: given === "" ? "storage_system cannot be empty." : "Invalid storage_system value.",
    ctx: {
      allowed_values: systems,
      help: given === "" ? `Use ${uses[0]} (not just ?storage_system=)` : `Use: ${uses.join(" or ")}`,
    },
  }
}

/** The parameters of a query that the contract refuses, as a problem's `loc` names them. */
const wantedProblems = (query: string): ReadonlyArray<string> => {
  const isInteger = (text: string, most: number) => /^[+-]?\d+$/.test(text) && Number(text) >= 1 && Number(text) <= most
  const checks: Readonly<Record<string, (text: string) => boolean>> = {
    storage_system: (text) => systems.includes(text),
    state: (text) => states.includes(text),
    debug: (text) => /^(true|false|1|0|yes|no|on|off)$/i.test(text),
    page: (text) => isInteger(text, Number.POSITIVE_INFINITY),
    page_size: (text) => isInteger(text, 500),
  }
  return Object.entries(checks).flatMap(([name, isGood]) => {
    const given = parameter(query, name)
    return given === undefined || isGood(given) ? [] : [`query.${name}`]
  })
}

const wantedStatus = (query: string): number => {
  if (query.startsWith("GET ")) return query === "GET /api/storage-resources" ? 200 : 404
  return wantedProblems(query).length === 0 ? 200 : 422
}

/** Whether our side is what the contract wants; where it is not, nothing explains the difference. */
const isAsWanted = ({ query, path, ours, our }: Found, comparison: Comparison): boolean => {
  if (ours.status !== wantedStatus(query)) return false
  if (ours.status === 404) return same(ours.body, { detail: at(ours.body, "detail"), error: "NotFound" })
  if (ours.status === 422) {
    const found = [...problems(ours)]
    const names = found.map(([name]) => name).toSorted()
    if (!same(names, wantedProblems(query).toSorted())) return false
    return found.every(([name, one]) => {
      const given = parameter(query, name.replace("query.", "")) ?? ""
      if (name === "query.storage_system") return same(one, systemProblem(given))
      return same(Object.keys(one).toSorted(), ["input", "loc", "msg", "type"]) && one.input === given
    })
  }
  if (isDebug(query)) {
    const wanted = ["status", "debug_mode", "agent_offering_config", "waldur_offering_details", "raw_resources"]
    return same(our, [...wanted, "skipped", "warnings"])
  }
  const wanted = query.startsWith("GET ") ? "" : query
  const left = filtered(comparison.ours, wanted, comparison)
  const [page, size] = [Number(parameter(wanted, "page") ?? 1), sizeIn(wanted)]
  const pages = Math.ceil(left.length / size)
  const system = parameter(wanted, "storage_system")
  const body = ours.body
  return (
    path !== "" &&
    at(body, "status") === "success" &&
    typeof at(body, "version") === "string" &&
    same(keysIn(ours), keys(pageOf(left, wanted))) &&
    same(at(body, "pagination"), {
      current: page,
      limit: size,
      offset: (page - 1) * size,
      pages,
      total: left.length,
      has_next: page < pages,
    }) &&
    same(at(body, "filters_applied"), {
      storage_system: system ?? null,
      data_type: parameter(wanted, "data_type") || null,
      status: parameter(wanted, "status") || null,
      state: parameter(wanted, "state") ?? null,
      offering_slugs: system === undefined ? systems : [system],
    })
  )
}

/** Whether theirs is what the same filter and page leave of their own whole list. */
const followsFromTheirList = ({ query, theirs }: Found, comparison: Comparison): boolean => {
  const left = filtered(comparison.theirs, query, comparison)
  const total = at(theirs.body, "pagination.total")
  return total === left.length && same(keysIn(theirs), keys(pageOf(left, query)))
}

/** Whether theirs are all entries of their list that this page of Waldur's rows gives. */
const isOneUpstreamPage = ({ query, theirs }: Found, comparison: Comparison): boolean => {
  const system = parameter(query, "storage_system")
  const rows = [...comparison.rows.values()].filter((row) => system === undefined || row.offering_slug === system)
  const uuids = new Set(pageOf(rows, query).map((row) => dashed(row.uuid)))
  const resources = (list: ReadonlyArray<JsonObject>) =>
    list
      .filter((entry) => kindOf(entry) === "resource")
      .map(keyOf)
      .toSorted()
  const wanted = filtered(comparison.theirs, query, comparison)
    .map(({ entry }) => entry)
    .filter((entry) => kindOf(entry) !== "resource" || uuids.has(dashed(entry.itemId)))
  const served = listAt(theirs.body, "resources").filter(isObject)
  const known = new Set(wanted.map(keyOf))
  return (
    same(resources(served), resources(wanted)) &&
    served.every((entry) => known.has(keyOf(entry))) &&
    at(theirs.body, "pagination.total") === served.length &&
    at(theirs.body, "pagination.pages") === Math.ceil(served.length / sizeIn(query))
  )
}

const isCount = (path: string) =>
  ["entries", "pagination.total", "pagination.pages", "pagination.has_next"].includes(path)

const both: ReadonlyArray<PeerVersion> = ["0.7.7", "0.10.0"]

const queryClasses: ReadonlyArray<QueryClass> = [
  {
    name: "own-version",
    theirs: "its own `version`; 0.7.7 none",
    section: "4",
    line: '{version, status: "success", resources, pagination{…}, filters_applied{…}}',
    peers: both,
    explains: ({ path, their }, { peer }) => path === "version" && their === (peer === "0.7.7" ? undefined : peer),
  },
  {
    name: "no-link-header",
    theirs: "no `Link` header",
    section: "4",
    line: "`Link` headers (first, prev, next, last), relative.",
    peers: both,
    explains: ({ path, our, their }) => path === "Link" && our === "sent" && their === undefined,
  },
  {
    name: "pagination-fields",
    theirs: "no `has_next`, but `api_total` or `raw_total_from_api`",
    section: "4",
    line: "pagination{current, limit, offset, pages, total, has_next}",
    peers: ["0.7.7"],
    explains: ({ path, our, their }) =>
      (path === "pagination.has_next" && their === undefined) ||
      (["pagination.api_total", "pagination.raw_total_from_api"].includes(path) &&
        our === undefined &&
        typeof their === "number"),
  },
  {
    name: "filters-applied-fields",
    theirs:
      '0.7.7 with a system `offering_slug` for two of the fields, and "" for an empty filter; 0.10.0 only what was given, with the page',
    section: "4",
    line: "filters_applied{storage_system, data_type, status, state, offering_slugs}, null for what was not given.",
    peers: both,
    explains: ({ path, our, their, query }, { peer }) => {
      if (!path.startsWith("filters_applied.")) return false
      const name = path.slice("filters_applied.".length)
      if (peer === "0.10.0") {
        const page = { page: Number(parameter(query, "page") ?? 1), page_size: sizeIn(query) }
        return (our === null && their === undefined) || (our === undefined && at(page, name) === their)
      }
      if (our === null && their === "" && parameter(query, name) === "") return true
      const system = parameter(query, "storage_system")
      if (system === undefined) return false
      return (
        (["storage_system", "offering_slugs"].includes(name) && their === undefined) ||
        (name === "offering_slug" && our === undefined && their === system)
      )
    },
  },
  {
    name: "data-type-of-any-case",
    theirs: "`data_type` in lower case, whatever was given",
    section: "4",
    line: "`data_type` and `status` are applied to finished entries, exact and case-sensitive, unknown values giving an empty list",
    peers: ["0.10.0"],
    explains: (found, comparison) => {
      const type = parameter(found.query, "data_type") ?? ""
      const lower = type.toLowerCase()
      if (lower === type) return false
      if (found.path === "filters_applied.data_type") return found.their === lower
      return (
        isCount(found.path) && followsFromTheirList({ ...found, query: found.query.replace(type, lower) }, comparison)
      )
    },
  },
  {
    name: "status-of-resources-only",
    theirs: "no tenants and customers with `status=pending`",
    section: "4",
    line: "`data_type` and `status` are applied to finished entries … (so `status=active` leaves no tenants or customers: they are pending)",
    peers: ["0.10.0"],
    explains: ({ path, query, theirs }, comparison) => {
      const left = filtered(comparison.theirs, query, comparison).filter(({ entry }) => kindOf(entry) === "resource")
      return (
        isCount(path) && parameter(query, "status") === "pending" && same(keysIn(theirs), keys(pageOf(left, query)))
      )
    },
  },
  {
    name: "status-must-be-known",
    theirs: "422 for an unknown or empty `status`",
    section: "4",
    line: "unknown values giving an empty list, empty ones no filter",
    peers: ["0.10.0"],
    explains: ({ path, query, their }) =>
      path === "status" && ["bogus", ""].includes(parameter(query, "status") ?? "none") && their === 422,
  },
  {
    name: "state-fails",
    theirs: "500 for any `state`",
    section: "4",
    line: "`state` (all six of Waldur's) is applied to Waldur's resources, before the tree is built",
    peers: ["0.7.7"],
    explains: ({ path, query, their }) =>
      path === "status" && states.includes(parameter(query, "state") ?? "") && their === 500,
  },
  {
    name: "state-ignored",
    theirs: "everything, whatever the `state`",
    section: "4",
    line: "`state` (all six of Waldur's) is applied to Waldur's resources, before the tree is built",
    peers: ["0.10.0"],
    explains: (found, comparison) =>
      isCount(found.path) &&
      states.includes(parameter(found.query, "state") ?? "") &&
      followsFromTheirList({ ...found, query: "" }, comparison),
  },
  {
    name: "page-past-the-end-fails",
    theirs: "500 for a page past the end",
    section: "4",
    line: "A page past the end is an empty list.",
    peers: ["0.7.7"],
    explains: ({ path, query, our, their }) =>
      path === "status" && parameter(query, "page") === "99" && our === 200 && their === 500,
  },
  {
    name: "same-filter-of-another-list",
    theirs: "what the same filter and page leave of their list, of which the entries above tell",
    section: "4",
    line: "`total` and `pages` count what the filters left",
    peers: both,
    explains: (found, comparison) => isCount(found.path) && followsFromTheirList(found, comparison),
  },
  {
    name: "one-upstream-page",
    theirs: "the tree of one page of Waldur's rows, longer than `limit`, as if that were all",
    section: "4",
    line: "`total` and `pages` count what the filters left, over everything in Waldur (0.7.7 counts one upstream page)",
    peers: ["0.7.7"],
    explains: (found, comparison) => isCount(found.path) && isOneUpstreamPage(found, comparison),
  },
  {
    name: "ctx-in-problems",
    theirs: "`ctx` in a 422 of a parameter other than `storage_system`",
    section: "4",
    line: 'Any other bad parameter: 422 {"detail":[{type, loc:["query",name], msg, input}]}',
    peers: both,
    explains: ({ path, our, their }) =>
      /^detail of query\.(page|page_size|state): ctx$/.test(path) && our === undefined && isObject(their),
  },
  {
    name: "message-lists-states-by-alphabet",
    theirs: "the six states in another order in the message",
    section: "4",
    line: 'Any other bad parameter: 422 {"detail":[{type, loc:["query",name], msg, input}]}; `state` (all six of Waldur\'s)',
    peers: both,
    explains: ({ path, our, their }) =>
      path === "detail of query.state: msg" &&
      same(wordsIn(our), states.toSorted()) &&
      same(wordsIn(their), states.toSorted()),
  },
  {
    name: "storage-system-problem",
    theirs: "another body for a bad `storage_system`",
    section: "4",
    line: "Another value, or an empty one: 422 with the document's `enum_validation` body, exact in `type, loc, msg, ctx.allowed_values` (that list), `ctx.help` naming each.",
    peers: both,
    explains: ({ path, theirs }) =>
      /^detail of query\.storage_system: (type|msg|ctx|ctx\.\w+|input)$/.test(path) &&
      ["enum", "string_too_short"].includes(textAt(problems(theirs).get("query.storage_system"), "type") ?? ""),
  },
  {
    name: "storage-system-checked-last",
    theirs: "nothing of a bad `storage_system` beside another bad parameter",
    section: "4",
    line: "Another value, or an empty one: 422 with the document's `enum_validation` body",
    peers: ["0.10.0"],
    explains: ({ path, theirs, their }) =>
      path === "detail of query.storage_system" && their === undefined && problems(theirs).size > 0,
  },
  {
    name: "debug-unknown",
    theirs: "`debug` ignored",
    section: "4",
    line: "`debug` takes true/false/1/0/yes/no/on/off in any case; `debug=true`, for troubleshooting, reads Waldur live",
    peers: ["0.10.0"],
    explains: ({ path, query, theirs }) =>
      ["status", "keys"].includes(path) &&
      parameter(query, "debug") !== undefined &&
      theirs.status === 200 &&
      Array.isArray(at(theirs.body, "resources")),
  },
  {
    name: "debug-without-findings",
    theirs:
      "`agent_config` for the first where no system is given, and no `waldur_offering_details`; no `skipped`, no `warnings`",
    section: "4",
    line: "`agent_offering_config` …; `waldur_offering_details` …; `raw_resources{…}` …; and `skipped`: […], `warnings` alike.",
    peers: ["0.7.7"],
    explains: ({ path, theirs }) => path === "keys" && at(theirs.body, "debug_mode") === true,
  },
  {
    name: "redirect-to-the-slash",
    theirs: "307 without the closing slash",
    section: "4",
    line: "The path answers with and without its closing slash.",
    peers: both,
    explains: ({ path, query, their }) => path === "status" && query === "GET /api/storage-resources" && their === 307,
  },
  {
    name: "error-without-name",
    theirs: "404 without `error`",
    section: "4",
    line: "Errors are {detail, error, …}: … 404 `NotFound`",
    peers: both,
    explains: ({ path, our, their }) => path === "error" && our === "NotFound" && their === undefined,
  },
]

const wordsIn = (message: unknown) => [...String(message).matchAll(/'(\w+)'/g)].map(([, word]) => word).toSorted()

export const queryLines: ReadonlyArray<ContractLine> = queryClasses

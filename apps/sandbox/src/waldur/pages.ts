/** Paged lists as Waldur returns them. */
import { asObject } from "../json.ts"
import type { Exchange } from "../listening-server.ts"
import type { WaldurRecord, World } from "../world/world.ts"
import { detail } from "./errors.ts"

const DEFAULT_PAGE_SIZE = 10
const MAX_PAGE_SIZE = 300

/** One page of a list, with the total count and the links to the other pages. */
export interface Page {
  rows: readonly WaldurRecord[]
  count: number
  link: string
}

/** Returns the requested page, or a 404 if it does not exist. */
export function cutPage(rows: readonly WaldurRecord[], url: URL): Page | Response {
  const size = pageSize(url.searchParams)
  // An empty list still has its first page.
  const last = Math.max(1, Math.ceil(rows.length / size))
  const requested = url.searchParams.getAll("page").at(-1) ?? "1"
  const number = requested === "last" ? last : /^\s*\d+\s*$/.test(requested) ? Number(requested) : 0
  if (number < 1 || number > last) return detail(404, "Invalid page.")
  return {
    rows: rows.slice((number - 1) * size, number * size),
    count: rows.length,
    link: links(url, number, last),
  }
}

/** 0 and invalid values mean 10; more than 300 is silently capped. */
function pageSize(query: URLSearchParams): number {
  const requested = query.getAll("page_size").at(-1) ?? ""
  const size = /^\s*\d+\s*$/.test(requested) ? Number(requested) : 0
  return size === 0 ? DEFAULT_PAGE_SIZE : Math.min(size, MAX_PAGE_SIZE)
}

function links(url: URL, number: number, last: number): string {
  const link = (page: number, rel: string): string => {
    const query = new URLSearchParams(url.searchParams)
    query.delete("page")
    if (page > 1) query.set("page", String(page))
    query.sort()
    const text = query.toString()
    return `<${url.origin}${url.pathname}${text === "" ? "" : `?${text}`}>; rel="${rel}"`
  }
  return [
    link(1, "first"),
    ...(number > 1 ? [link(number - 1, "prev")] : []),
    ...(number < last ? [link(number + 1, "next")] : []),
    link(last, "last"),
  ].join(", ")
}

/**
 * The fields that `field=` keeps; undefined means whole objects: no field was requested, or there are rows and none has
 * any of them.
 */
export function wantedFields(query: URLSearchParams, rows: readonly WaldurRecord[]): ReadonlySet<string> | undefined {
  const requested = new Set(query.getAll("field"))
  if (requested.size === 0) return undefined
  const known = rows.length === 0 || rows.some((row) => [...requested].some((field) => Object.hasOwn(row, field)))
  return known ? requested : undefined
}

/** The row with only these top-level fields, in the row's own order. */
export function trim(row: WaldurRecord, fields: ReadonlySet<string> | undefined): WaldurRecord {
  if (fields === undefined) return row
  const trimmed: WaldurRecord = {}
  for (const field in row) if (fields.has(field)) trimmed[field] = row[field]
  return trimmed
}

/** Applies `trim` to the order that is nested in a resource. */
export function trimOrder(row: WaldurRecord, fields: ReadonlySet<string> | undefined): WaldurRecord {
  const order = asObject(row.order_in_progress)
  return order === undefined ? row : { ...row, order_in_progress: trim(order, fields) }
}

/** Returns a response with a value, as Waldur does: links use the address at which the client reached the server. */
export function send(world: World, exchange: Exchange, value: unknown, headers: Record<string, string> = {}): Response {
  const text = JSON.stringify(value)
  const address = `${exchange.origin}/api/`
  const body = world.apiUrl === address ? text : text.replaceAll(world.apiUrl, address)
  return new Response(body, {
    headers: { "Content-Type": "application/json", Vary: "Accept-Language, Cookie", ...headers },
  })
}

/**
 * Returns a response with one page of a list. `shape` is applied to each row before `cut` trims it; `pace` returns how many
 * milliseconds a real Waldur takes.
 */
export function sendPage(
  world: World,
  exchange: Exchange,
  url: URL,
  rows: readonly WaldurRecord[],
  shape: (row: WaldurRecord) => WaldurRecord = (row) => row,
  pace: (rows: number, fields: ReadonlySet<string> | undefined) => number = () => 0,
  cut: typeof trim = trim,
): Response {
  const page = cutPage(rows, url)
  if (page instanceof Response) return page
  const shaped = page.rows.map(shape)
  const fields = wantedFields(url.searchParams, shaped)
  exchange.paceMs = pace(shaped.length, fields)
  return send(
    world,
    exchange,
    shaped.map((row) => cut(row, fields)),
    { "X-Result-Count": String(page.count), Link: page.link, Allow: "GET, POST, HEAD, OPTIONS" },
  )
}

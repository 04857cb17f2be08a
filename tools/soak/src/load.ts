/** The callers, which send mixed requests and check each response. */
import { type Filter, type ListedEntries, statuses, systems, type Window } from "@cscs/oracle"
import type { Chance } from "./chance.ts"
import type { Checker, Kept } from "./checker.ts"
import { type Client, listPath, type Reply } from "./client.ts"
import { count } from "./counts.ts"
import { pause } from "./pause.ts"

export interface Caller {
  readonly client: Client
  readonly chance: Chance
  readonly checker: Checker
  /** Responses for later revalidation. */
  readonly kept: Array<Kept>
}

/** Sends one request after another until `stop`. */
export const call = async (caller: Caller, stop: AbortSignal): Promise<void> => {
  const { chance, checker } = caller
  while (!stop.aborted) {
    const kind = chance.weighted(kinds)
    try {
      await kind(caller)
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ""
      checker.wrong(undefined, `${kind.name} failed`, `${error}${cause}`)
      await pause(500, stop)
    }
    await pause(chance.between(20, 150), stop)
  }
}

/** A kind of request, with the checks of its response. */
type Kind = (caller: Caller) => Promise<void>

const codings = ["gzip", "br", "gzip, br;q=0.5"]

const randomFilter = (chance: Chance): Filter => ({
  ...(chance.happens(0.3) && { storage_system: chance.pick(systems) }),
  ...(chance.happens(0.2) && { data_type: chance.pick(["store", "archive", "users", "scratch", "tape"]) }),
  ...(chance.happens(0.2) && { status: chance.pick(Object.values(statuses)) }),
  ...(chance.happens(0.2) && { state: chance.pick(Object.keys(statuses)) }),
})

const pathOf = (filter: Filter, more: Readonly<Record<string, string>> = {}): string =>
  `${listPath}?${new URLSearchParams({ ...(filter as Record<string, string>), ...more })}`

const randomCoding = (chance: Chance): Readonly<Record<string, string>> =>
  chance.happens(0.3) ? { "Accept-Encoding": chance.pick(codings) } : {}

/** Parses a page, and checks its metadata against the request. */
const pageIn = (checker: Checker, reply: Reply, filter: Filter): ListedEntries => {
  const { status, resources, pagination, filters_applied } = JSON.parse(reply.body.toString())
  const { current, limit, offset, pages, total, has_next } = pagination
  const query = new URL(reply.request.path, "http://proxy").searchParams
  const agrees =
    status === "success" &&
    current === Number(query.get("page") ?? 1) &&
    limit === Number(query.get("page_size") ?? 100) &&
    offset === (current - 1) * limit &&
    pages === Math.ceil(total / limit) &&
    has_next === current < pages &&
    ["storage_system", "data_type", "status", "state"].every(
      (name) => filters_applied[name] === (filter[name as keyof Filter] ?? null),
    )
  if (!agrees) checker.wrong(reply, "the page's metadata is wrong", { pagination, filters_applied })
  return { entries: resources, filter, page: { offset, limit, total } }
}

/** Checks a complete response, and keeps it for a later revalidation. */
const checkAndKeep = ({ kept, chance, checker }: Caller, reply: Reply, listed: ListedEntries): void => {
  checker.age(reply)
  checker.etag(reply)
  checker.list(reply, checker.windowOf(reply), listed)
  const etag = reply.header("etag")
  if (etag === undefined) return
  const one = { path: reply.request.path, headers: reply.request.headers ?? {}, etag, listed }
  if (kept.length < 50) kept.push(one)
  else kept[chance.below(kept.length)] = one
}

const onePage = async (caller: Caller, headers: Readonly<Record<string, string>>): Promise<void> => {
  const { client, chance, checker } = caller
  const filter = randomFilter(chance)
  const path = pathOf(filter, {
    ...(chance.happens(0.8) && { page_size: String(chance.pick([1, 7, 20, 50, 100, 100, 250, 500])) }),
    ...(chance.happens(0.4) && { page: String(1 + chance.below(6)) }),
  })
  const reply = await client.send({ path, headers })
  if (!checker.checkStatus(reply, 502)) return
  checkAndKeep(caller, reply, pageIn(checker, reply, filter))
}

const page: Kind = (caller) => onePage(caller, randomCoding(caller.chance))

const renewedPage: Kind = (caller) => onePage(caller, { "Cache-Control": "no-cache" })

/** All pages through `Link: rel="next"`: together they are one list, from the time of the first page. */
const walk: Kind = async ({ client, chance, checker }) => {
  const filter = chance.happens(0.5) ? {} : randomFilter(chance)
  const headers = randomCoding(chance)
  const entries: Array<unknown> = []
  let first: { readonly reply: Reply; readonly window: Window; readonly total: number } | undefined
  let path: string | undefined = pathOf(filter, { page_size: String(20 + chance.below(150)) })
  while (path !== undefined) {
    const reply: Reply = await client.send({ path, headers })
    if (!checker.checkStatus(reply, ...(first === undefined ? [502] : []))) return
    const { entries: some, page } = pageIn(checker, reply, filter)
    const total = page?.total ?? 0
    if (first === undefined) {
      checker.age(reply)
      first = { reply, window: checker.windowOf(reply), total }
    } else if (first.total !== total) {
      checker.wrong(reply, "pages of one walk have different totals", total, first.total)
    }
    checker.etag(reply)
    entries.push(...some)
    path = nextIn(reply)
    if (chance.happens(0.5)) await pause(chance.between(0, 800))
  }
  if (first === undefined) return
  count(checker.checks, "walks")
  const { reply, total, window } = first
  if (entries.length !== total)
    checker.wrong(reply, "a walk does not have as many entries as its total", entries.length, total)
  checker.list(reply, window, { entries, filter, page: undefined })
}

/** The next page's path. The proxy may be behind a path prefix, so `Link` has only the query, which any client resolves. */
const nextIn = (reply: Reply): string | undefined => {
  const reference = /<([^<>]*)>; rel="next"/.exec(reply.header("link") ?? "")?.[1]
  if (reference === undefined) return undefined
  const { pathname, search } = new URL(reference, new URL(reply.request.path, "http://proxy"))
  return pathname + search
}

/** Parses the entries of an NDJSON response. */
export const linesIn = (checker: Checker, reply: Reply, filter: Filter): ListedEntries => {
  const lines = reply.body.toString().split("\n")
  if (lines.at(-1) !== "") checker.wrong(reply, "the last line has no line break", lines.at(-1))
  return { entries: lines.slice(0, -1).map((line) => JSON.parse(line) as unknown), filter, page: undefined }
}

const lines: Kind = async (caller) => {
  const { client, chance, checker } = caller
  const filter = chance.happens(0.6) ? {} : randomFilter(chance)
  const headers = { Accept: "application/x-ndjson", ...randomCoding(chance) }
  const reply = await client.send({ path: pathOf(filter), headers })
  if (!checker.checkStatus(reply, 502)) return
  const type = reply.header("content-type")
  if (!type?.includes("ndjson")) return checker.wrong(reply, "the response is not NDJSON", type)
  count(checker.checks, "NDJSON lists")
  checkAndKeep(caller, reply, linesIn(checker, reply, filter))
}

/** Revalidates a kept response: a 304 means that it is still valid. */
const revalidation: Kind = async (caller) => {
  const { client, chance, kept, checker } = caller
  if (kept.length === 0) return
  const one = chance.pick(kept)
  const reply = await client.send({ path: one.path, headers: { ...one.headers, "If-None-Match": one.etag } })
  const isWhole = checker.checkStatus(reply, 502, 304)
  if (!isWhole && reply.status !== 304) return
  count(checker.checks, isWhole ? "revalidations, changed" : "revalidations, unchanged")
  const isSame = reply.header("etag") === one.etag
  if (isWhole === isSame)
    return checker.wrong(reply, isSame ? "200 although nothing changed" : "304 with another ETag", one.etag)
  if (isWhole) {
    const unconditional = { ...reply, request: { path: one.path, headers: one.headers } }
    const entriesIn = one.headers.Accept === undefined ? pageIn : linesIn
    return checkAndKeep(caller, unconditional, entriesIn(checker, reply, one.listed.filter))
  }
  if (reply.body.length > 0) checker.wrong(reply, "an unexpected body", reply.body.toString().slice(0, 200))
  checker.age(reply)
  checker.list(reply, checker.windowOf(reply), one.listed)
}

const leaving: Kind = async ({ client, chance, checker }) => {
  const headers = chance.happens(0.5) ? { Accept: "application/x-ndjson" } : randomCoding(chance)
  const path = pathOf(randomFilter(chance), { page_size: "500" })
  await client.leave({ path, headers }, chance.between(0, 30))
  count(checker.statuses, "left")
}

/** The kinds of requests, with their weights. */
const kinds: ReadonlyArray<readonly [number, Kind]> = [
  [30, page],
  [6, renewedPage],
  [10, walk],
  [12, lines],
  [20, revalidation],
  [6, leaving],
]

/** How fast a warm proxy responds, compared with a bare server that sends the same bytes. */
import type { BareServerCommands } from "./bare-server.ts"
import { type Bench, freshForLong, withProxy } from "./bench-context.ts"
import { median, milliseconds, oneDecimal, times, twoDecimals, whole } from "./figures.ts"
import { type Helper, startHelper } from "./helpers.ts"
import { type LoadResult, maxShare, runLoad } from "./load.ts"
import { ask, askWell, type Headers, pageOf100 } from "./storage-list.ts"

export const warmHead =
  "resources | request | requests/s | of the bare server | by processor time | p50 | p99 | max | processor time per request | load generator's core"

/** The rate that a page must reach, as a share of the bare server's. */
const leastWithToken = 0.75
const leastWithout = 0.8

/** Rounds together: the median, but the worst of the worst. */
const together = (rounds: ReadonlyArray<LoadResult>) => {
  const middle = (of: keyof LoadResult) => median(rounds.map((round) => round[of]))
  return {
    perSecond: middle("perSecond"),
    p50: middle("p50"),
    p99: middle("p99"),
    max: Math.max(...rounds.map(({ max }) => max)),
    cpuPerRequest: middle("cpuPerRequest"),
    share: middle("share"),
  }
}

const ratioOf = (ones: ReadonlyArray<LoadResult>, others: ReadonlyArray<LoadResult>) =>
  median(ones.map(({ perSecond }, index) => perSecond / (others[index]?.perSecond ?? Number.NaN)))

/** A server under load. */
interface Origin {
  readonly pid: number
  readonly url: string
}

export const measureWarm = async (bench: Bench): Promise<void> => {
  const bare = startHelper<BareServerCommands>(new URL("bare-server.ts", import.meta.url), true)
  const openBench = { ...bench, environment: { ...bench.environment, DISABLE_AUTH: "true" } }
  try {
    await withProxy(bench, freshForLong, (closed) =>
      withProxy(openBench, freshForLong, (open) => compare(bench, closed, open, bare)),
    )
  } finally {
    await bare.end()
  }
}

const compare = async (bench: Bench, closed: Origin, open: Origin, bare: Helper<BareServerCommands>): Promise<void> => {
  const { bearer, quick } = bench
  const plain = { "Accept-Encoding": "identity" }
  const page = await askWell(closed.url + pageOf100, { ...bearer, ...plain })
  const contentType = page.headers.get("content-type") ?? ""
  const serveBare = async (withHono: boolean): Promise<Origin> => ({
    pid: bare.pid,
    url: await bare.commands.serve(page.body, contentType, withHono),
  })
  const unchanged = { "If-None-Match": page.headers.get("etag") ?? "" }
  const kind = (name: string, { pid, url }: Origin, headers: Headers) => {
    const load = { url: url + pageOf100, headers, seconds: quick ? 2 : 3 }
    return { name, run: () => runLoad(pid, load), rounds: [] as Array<LoadResult> }
  }
  const token = kind("page of 100, valid JWT", closed, bearer)
  const without = kind("page of 100, no authentication", open, {})
  const bareServer = await serveBare(false)
  const hono = await serveBare(true)
  const bareKind = kind("bare `node:http`, the same bytes", bareServer, {})
  const honoKind = kind("Hono with one route, the same bytes", hono, {})
  const bareNotModified = kind("304, bare `node:http`", bareServer, unchanged)
  const honoNotModified = kind("304, Hono with one route", hono, unchanged)
  const notModified = kind("304, valid JWT", closed, { ...bearer, ...unchanged })
  const openNotModified = kind("304, no authentication", open, unchanged)
  const gzip = kind("page of 100, gzip, valid JWT", closed, { ...bearer, "Accept-Encoding": "gzip" })
  const notModifiedKinds = [notModified, openNotModified, bareNotModified, honoNotModified]
  const kinds = [token, without, bareKind, honoKind, ...notModifiedKinds, gzip]
  for (const { url } of [closed, open]) {
    const { status } = await ask(url + pageOf100, { ...bearer, ...unchanged, ...plain })
    if (status !== 304) throw new Error(`${status} instead of 304`)
  }
  for (const { run } of kinds) await run()
  for (let round = 0; round < (quick ? 3 : 5); round++) {
    // Every other round goes backwards, so that none always follows the same.
    for (const { run, rounds } of round % 2 === 0 ? kinds : kinds.toReversed()) rounds.push(await run())
  }
  const failures = kinds.flatMap(({ rounds }) => rounds).reduce((sum, one) => sum + one.failures, 0)
  if (failures > 0) throw new Error(`Under load, ${failures} responses failed`)

  const bareRounds = bareKind.rounds
  for (const { name, rounds } of kinds) {
    const one = together(rounds)
    const byCpu = together(bareRounds).cpuPerRequest / one.cpuPerRequest
    bench.row(
      name,
      whole(one.perSecond),
      twoDecimals(ratioOf(rounds, bareRounds)),
      twoDecimals(byCpu),
      ...[one.p50, one.p99, one.max].map(milliseconds),
      `${oneDecimal(one.cpuPerRequest)} µs`,
      one.share > maxShare ? `**${twoDecimals(one.share)}: the limit**` : twoDecimals(one.share),
    )
  }
  for (const [name, pages, unmodified, least] of [
    ["with a valid JWT", token.rounds, notModified.rounds, leastWithToken],
    ["without authentication", without.rounds, openNotModified.rounds, leastWithout],
  ] as const) {
    const ratio = ratioOf(pages, bareRounds)
    const limited = [...pages, ...bareRounds].filter(({ share }) => share > maxShare).length
    const note = limited === 0 ? "" : `; the load generator was the limit in ${limited} rounds`
    const wanted = `a warm page ${name} at ${least} or more of the bare server's rate`
    bench.target(wanted, ratio >= least && limited === 0, times(ratio) + note)
    const twice = ratioOf(unmodified, pages)
    bench.target(`304s ${name} at twice the page's rate or more`, twice >= 2, times(twice))
  }
}

/** How fast a warm proxy responds, compared with a bare server that sends the same bytes. */
import type { BareServerCommands } from "./bare-server.ts"
import { type Bench, freshForLong, withProxy } from "./bench-context.ts"
import { median, milliseconds, oneDecimal, times, twoDecimals, whole } from "./figures.ts"
import { startHelper } from "./helpers.ts"
import { generator, type LoadResult, mostShare, runLoad } from "./load.ts"
import { type Findings, type Target, target } from "./section.ts"
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

type Rounds = ReadonlyArray<LoadResult>

const ratioOf = (ones: Rounds, others: Rounds) =>
  median(ones.map(({ perSecond }, index) => perSecond / (others[index]?.perSecond ?? Number.NaN)))

export const measureWarm = async (bench: Bench): Promise<Findings> => {
  const { resources, bearer, quick, say } = bench
  const plain = { "Accept-Encoding": "identity" }
  const bare = startHelper<BareServerCommands>(new URL("bare-server.ts", import.meta.url), true)
  try {
    return await withProxy(bench, freshForLong, async ({ pid, url }) =>
      withProxy(
        { ...bench, environment: { ...bench.environment, DISABLE_AUTH: "true" } },
        freshForLong,
        async (open) => {
          const page = await askWell(url + pageOf100, { ...bearer, ...plain })
          const bareOrigin = await bare.ask("serve", {
            body: page.body,
            contentType: page.headers.get("content-type") ?? "",
          })
          const seconds = quick ? 2 : 4
          const load = (pid: number, origin: string) => (headers: Headers) => () =>
            runLoad(pid, { url: origin + pageOf100, headers, seconds })
          const [ours, without, theirs] = [load(pid, url), load(open.pid, open.url), load(bare.pid, bareOrigin)]
          const unchanged = { "If-None-Match": page.headers.get("etag") ?? "" }
          const kinds = [
            ["page of 100, valid JWT", ours(bearer)],
            ["page of 100, no authentication", without({})],
            ["bare `node:http`, the same bytes", theirs({})],
            ["304, valid JWT", ours({ ...bearer, ...unchanged })],
            ["304, no authentication", without(unchanged)],
            ["page of 100, gzip, valid JWT", ours({ ...bearer, "Accept-Encoding": "gzip" })],
          ] as const
          for (const [headers, origin] of [
            [{ ...bearer, ...unchanged }, url],
            [unchanged, open.url],
          ] as const) {
            const { status } = await ask(origin + pageOf100, { ...headers, ...plain })
            if (status !== 304) throw new Error(`${status} instead of 304`)
          }
          for (const [, run] of kinds) await run()
          const all = kinds.map(() => [] as Array<LoadResult>)
          for (let round = 0; round < (quick ? 3 : 5); round++) {
            // Every other round goes backwards, so that none always follows the same.
            const order = round % 2 === 0 ? kinds : kinds.toReversed()
            for (const [name, run] of order) all[kinds.findIndex(([one]) => one === name)]?.push(await run())
          }
          const [token = [], open_ = [], bareRounds = [], notModified = [], openNotModified = []] = all
          const failures = all.flat().reduce((sum, one) => sum + one.failures, 0)
          if (failures > 0) throw new Error(`Under load, ${failures} responses failed`)
          const rows = kinds.map(([name], index) => {
            const rounds = all[index] ?? []
            const one = together(rounds)
            const ratio = ratioOf(rounds, bareRounds)
            const byCpu = together(bareRounds).cpuPerRequest / one.cpuPerRequest
            say(
              `  ${name}: ${whole(one.perSecond)}/s, ${twoDecimals(ratio)} of bare, by processor time ${twoDecimals(byCpu)}, ${oneDecimal(one.cpuPerRequest)} µs, generator ${twoDecimals(one.share)}`,
            )
            return [
              whole(resources),
              name,
              whole(one.perSecond),
              twoDecimals(ratio),
              twoDecimals(byCpu),
              milliseconds(one.p50),
              milliseconds(one.p99),
              milliseconds(one.max),
              `${oneDecimal(one.cpuPerRequest)} µs`,
              one.share > mostShare ? `**${twoDecimals(one.share)}: the limit**` : twoDecimals(one.share),
            ]
          })
          const size = `${whole(resources)} resources`
          const rate = (name: string, rounds: Rounds, least: number): Target => {
            const ratio = ratioOf(rounds, bareRounds)
            const limited = [...rounds, ...bareRounds].filter(({ share }) => share > mostShare).length
            const note = limited === 0 ? "" : `; the load generator was the limit in ${limited} rounds`
            return target(
              `${size}: a warm page ${name} at ${least} or more of the bare server's rate`,
              ratio >= least && limited === 0,
              times(ratio) + note,
            )
          }
          const twice = (name: string, some: Rounds, pages: Rounds) =>
            target(
              `${size}: 304s ${name} at twice the page's rate or more`,
              ratioOf(some, pages) >= 2,
              times(ratioOf(some, pages)),
            )
          return {
            rows,
            targets: [
              rate("with a valid JWT", token, leastWithToken),
              rate("without authentication", open_, leastWithout),
              twice("with a valid JWT", notModified, token),
              twice("without authentication", openNotModified, open_),
            ],
          }
        },
      ),
    )
  } finally {
    await bare.end()
  }
}

export const warmHow = `8 connections (${generator}), each asking again as soon as it has its response, beside a bare \`node:http\` server with
one buffer of the same bytes, in turn. Medians of the rounds; \`max\` is the worst of all. A ratio is the median of those of
neighbours. Processor time is what Linux counts for the server's process, user and system; by it, the ratio is what it would be if
nothing else used the cores. A row in which the generator uses
more than ${mostShare} of its core is marked: then it is the limit, and no target with it is met. Nothing is refreshed meanwhile.`

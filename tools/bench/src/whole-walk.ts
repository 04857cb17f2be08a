/** How long it takes to get the whole list: page by page, and as one ndjson response. */
import { type Bench, freshForLong, near, withProxy } from "./bench-context.ts"
import { megabytes, seconds, whole } from "./figures.ts"
import { type Findings, notSupported } from "./section.ts"
import { ask, bodyOf, header, listPath, nextOf } from "./storage-list.ts"

export const walkHead = ["resources", "way", "time", "requests", "entries", "bytes"] as const

export const measureWalk = async (bench: Bench): Promise<Findings> => {
  const size = whole(bench.resources)
  await bench.sandbox.ask("distance", near)
  return withProxy(bench, freshForLong, async ({ url: origin }) => {
    await walk(origin)
    const pages = await walk(origin)
    if (pages.entries !== pages.total) throw new Error(`The walk found ${pages.entries} of ${pages.total} entries`)
    const lines = await inLines(origin)
    if (lines !== undefined && lines.entries !== pages.total) {
      throw new Error(`NDJSON has ${lines.entries} of ${pages.total} entries`)
    }
    const walked = (way: string, { took, requests, entries, bytes }: Walked) => [
      size,
      way,
      seconds(took),
      whole(requests),
      whole(entries),
      megabytes(bytes),
    ]
    return {
      rows: [
        walked("`Link` `rel=next`, pages of 500", pages),
        lines === undefined ? [size, "NDJSON", notSupported] : walked("NDJSON", lines),
      ],
      targets: [],
    }
  })
}

interface Walked {
  /** Milliseconds. */
  readonly took: number
  readonly requests: number
  readonly entries: number
  readonly bytes: number
}

const walk = async (origin: string): Promise<Walked & { readonly total: number }> => {
  const begin = performance.now()
  let requests = 0
  let entries = 0
  let bytes = 0
  let total = 0
  for (let url: string | undefined = `${origin}${listPath}?page_size=500`; url !== undefined; ) {
    const answer = await ask(url)
    if (answer.status !== 200) throw new Error(`${url} returned ${answer.status}`)
    const { resources, pagination } = bodyOf(answer)
    requests += 1
    entries += resources.length
    bytes += answer.body.length
    total = pagination.total
    url = nextOf(answer, url)
  }
  return { took: performance.now() - begin, requests, entries, bytes, total }
}

const inLines = async (origin: string): Promise<Walked | undefined> => {
  const begin = performance.now()
  const answer = await ask(origin + listPath, { Accept: "application/x-ndjson" })
  if (!header(answer, "content-type")?.includes("ndjson")) return undefined
  const entries = answer.body
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown).length
  return { took: performance.now() - begin, requests: 1, entries, bytes: answer.body.length }
}

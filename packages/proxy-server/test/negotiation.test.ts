import fc from "fast-check"
import { Hono } from "hono"
import { describe, expect, test } from "vitest"
import { preferred } from "../src/routes/negotiation.ts"

const types = ["application/json", "application/x-ndjson"] as const
const codings = ["identity", "gzip", "br"] as const

/** The choice for headers that arrived one after another. */
const chosen = async (header: "Accept" | "Accept-Encoding", values: ReadonlyArray<string>) => {
  const offers: ReadonlyArray<string> = header === "Accept" ? types : codings
  const app = new Hono().get("/", (c) => c.json(preferred(c, header, offers) ?? null))
  const headers = new Headers(values.map((value): [string, string] => [header, value]))
  return (await app.request("/", { headers })).json()
}

describe("Accept", () => {
  test.each([
    // Quality first, then specificity.
    ["*/*, application/x-ndjson;q=0.1", "application/json"],
    ["application/x-ndjson;q=0.1, */*", "application/json"],
    ["application/*, application/x-ndjson;q=0.1", "application/json"],
    ["*/*;q=0.1, application/*;q=0.2, application/x-ndjson;q=0.15", "application/json"],
    ["*/*, application/x-ndjson", "application/x-ndjson"],
    ["application/json;q=0.1, */*", "application/x-ndjson"],
    ["application/json;q=0.1, application/*", "application/x-ndjson"],
    ["application/x-ndjson, application/json", "application/x-ndjson"],
    ["application/json, application/x-ndjson", "application/json"],
    // Quality 0 excludes, however it is written.
    ["application/json;q=0, application/x-ndjson;q=0.001", "application/x-ndjson"],
    ["application/json;q=0.000, */*;q=0.5", "application/x-ndjson"],
    ["application/x-ndjson;q=0, */*", "application/json"],
    ["application/*;q=0, */*", null],
    ["*/*;q=0", null],
    ["*/*;q=0, application/x-ndjson", "application/x-ndjson"],
    // Spelling.
    ["APPLICATION/X-NDJSON ; Q=0.9 , Application/Json;q=0.8", "application/x-ndjson"],
    ['application/x-ndjson;charset="utf-8";q=0.9, application/json;q=0.8', "application/x-ndjson"],
    ['text/html;a=", application/x-ndjson, ", application/json', "application/json"],
    // An invalid q is 1.
    ["application/x-ndjson;q=high, application/json;q=0.9", "application/x-ndjson"],
    ["application/x-ndjson;q=, application/json;q=0.9", "application/x-ndjson"],
    // As browsers, curl, Java and Python send it.
    ["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "application/json"],
    ["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "application/json"],
    ["*/*", "application/json"],
    ["application/json, text/plain, */*", "application/json"],
  ])("%j selects %j", async (accept, expected) => {
    expect(await chosen("Accept", [accept])).toBe(expected)
  })

  test("is one list, in however many headers it arrives", async () => {
    expect(await chosen("Accept", ["*/*", "application/x-ndjson;q=0.1"])).toBe("application/json")
    expect(await chosen("Accept", ["application/json;q=0.1", "application/x-ndjson"])).toBe("application/x-ndjson")
  })
})

describe("Accept-Encoding", () => {
  test.each([
    ["gzip;q=0.5, *;q=1", "identity"],
    ["br;q=0.2, gzip;q=0.1, identity;q=0.3", "identity"],
    ["x-gzip", "gzip"],
    ["*/*", "identity"],
    ["identity;q=0, *;q=0", null],
    ["gzip, *;q=0", "gzip"],
  ])("%j selects %j", async (accept, expected) => {
    expect(await chosen("Accept-Encoding", [accept])).toBe(expected)
  })
})

/** RFC 9110 sections 12.5.1 and 12.5.3, literally. */
const byTheRfc = (
  ranges: ReadonlyArray<{ readonly range: string; readonly q: number }>,
  offers: ReadonlyArray<string>,
): string | undefined => {
  const names = [
    (offer: string, range: string) => range === offer,
    (offer: string, range: string) => range === `${offer.split("/")[0]}/*`,
    (_: string, range: string) => range === "*/*" || range === "*",
  ]
  let best: { readonly offer: string; readonly rank: ReadonlyArray<number> } | undefined
  for (const offer of offers) {
    const level = names.findIndex((isNamed) => ranges.some(({ range }) => isNamed(offer, range)))
    const isNamed = names[level]
    if (isNamed === undefined) continue
    const { q } = ranges.find(({ range }) => isNamed(offer, range)) ?? { q: 0 }
    if (q === 0) continue
    const place = ranges.findIndex(({ range }) => isNamed(offer, range))
    const rank = [q, -level, -place]
    const difference = rank.map((part, index) => part - (best?.rank[index] ?? Number.NEGATIVE_INFINITY))
    if ((difference.find((part) => part !== 0) ?? 0) > 0) best = { offer, rank }
  }
  return best?.offer
}

const rangesOf = (names: ReadonlyArray<string>) =>
  fc.uniqueArray(fc.record({ range: fc.constantFrom(...names), q: fc.integer({ min: 0, max: 10 }) }), {
    selector: ({ range }) => range,
    maxLength: 8,
  })

test.each([
  ["Accept", ["*/*", "application/*", "text/*", "text/html", "application/xml", ...types], types],
  ["Accept-Encoding", ["*", "deflate", "zstd", ...codings], codings],
] as const)("%s follows the RFC, whatever the ranges and their qualities", async (header, names, offers) => {
  await fc.assert(
    fc.asyncProperty(rangesOf(names), async (given) => {
      const ranges = given.map(({ range, q }) => ({ range, q: q / 10 }))
      const value = ranges.map(({ range, q }) => (q === 1 ? range : `${range};q=${q}`)).join(", ")
      expect(await chosen(header, [value])).toBe(byTheRfc(ranges, offers) ?? null)
    }),
    { numRuns: 500 },
  )
})

test("Accept and Accept-Encoding of any text select an offer or none, and never fail", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: fc.constantFrom(...'apl/*ijnsox-;q=0.1, \t"\\') }), async (value) => {
      expect([...types, null]).toContain(await chosen("Accept", [value]))
      expect([...codings, null]).toContain(await chosen("Accept-Encoding", [value]))
    }),
  )
})

/** Proactive negotiation (RFC 9110 section 12.5): which of the available forms a caller prefers. */
import type { Context } from "hono"
import { accepts } from "hono/accepts"

/** Maximum length of an `Accept` or `Accept-Encoding`. A longer one, which no real client sends, counts as absent. */
const maxAcceptLength = 1024

/**
 * The offer that the header prefers. Each offer has the quality of the most specific range that matches it; quality 0
 * excludes it. The highest quality wins, then the more specific range, then the header's order, then ours. Parameters
 * other than `q` are ignored, since no offer has any; a `q` that is not a number counts as 1.
 *
 * @param offers in lowercase, in our own order of preference
 * @returns `undefined` if the header is missing, is too long, or accepts none of them
 */
export const preferred = <Offer extends string>(
  c: Context,
  header: "Accept" | "Accept-Encoding",
  offers: ReadonlyArray<Offer>,
): Offer | undefined => {
  if ((c.req.header(header)?.length ?? 0) > maxAcceptLength) return undefined
  const match = (ranges: Ranges) => bestOf(ranges, offers) ?? ""
  const chosen = accepts(c, { header, supports: [...offers], default: "", match })
  return offers.find((offer) => offer === chosen)
}

/** The ranges of a header as Hono parses them, highest quality first. */
type Ranges = Parameters<NonNullable<Parameters<typeof accepts>[1]["match"]>>[0]

const bestOf = (ranges: Ranges, offers: ReadonlyArray<string>): string | undefined =>
  offers
    .map((offer) => ({ offer, ...rankOf(ranges, offer) }))
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || b.specificity - a.specificity || a.place - b.place)[0]?.offer

/** The rank of an offer by the most specific range that matches it; `place` is that range's position in `ranges`. */
const rankOf = (ranges: Ranges, offer: string) => {
  let rank = { quality: 0, specificity: 0, place: 0 }
  for (const [place, { type, q }] of ranges.entries()) {
    const specificity = specificityOf(type.toLowerCase(), offer)
    if (specificity > rank.specificity) rank = { quality: q, specificity, place }
  }
  return rank
}

/** 3 for the offer's own name, 2 for `type/*`, 1 for a wildcard, 0 if the range does not match the offer. */
const specificityOf = (range: string, offer: string): number => {
  // `x-gzip` is equivalent to `gzip` (RFC 9110 section 8.4.1.3).
  if (range === offer || (range === "x-gzip" && offer === "gzip")) return 3
  if (range === "*" || range === "*/*") return 1
  return range.endsWith("/*") && offer.startsWith(range.slice(0, -1)) ? 2 : 0
}

import { promisify } from "node:util"
import { brotliCompress, constants, gzip } from "node:zlib"
import type { Context } from "hono"
import { accepts } from "hono/accepts"

const codings = ["identity", "gzip", "br"] as const
/** How an answer's bytes are encoded on their way (RFC 9110 section 8.4). */
export type Coding = (typeof codings)[number]

/** Characters of an `Accept` or `Accept-Encoding`; a longer one, which no program of use sends, counts as not given. */
export const longestAccept = 1024

/** The coding that the caller likes best; the bytes as they are if it does not say. */
export const acceptedCoding = (c: Context): Coding =>
  (c.req.header("Accept-Encoding")?.length ?? Number.POSITIVE_INFINITY) > longestAccept
    ? "identity"
    : (accepts(c, { header: "Accept-Encoding", supports: [...codings], default: "identity", match: bestOf }) as Coding)

const bestOf: NonNullable<Parameters<typeof accepts>[1]["match"]> = (accepted) => {
  const named = accepted.map(({ type, q }) => ({ type: type.toLowerCase(), q }))
  // These come best first; of equals the caller's first.
  const best = named.find(({ type, q }) => q > 0 && isCoding(type))
  if (best !== undefined) return best.type
  const isRefused = (coding: Coding) => named.some(({ type }) => type === coding)
  const takesAny = named.some(({ type, q }) => type === "*" && q > 0)
  return (takesAny ? codings.find((coding) => !isRefused(coding)) : undefined) ?? "identity"
}

const isCoding = (name: string) => (codings as ReadonlyArray<string>).includes(name)

/** In bytes: below, an answer with its headers fits into a packet or two anyway. */
export const worthCompressing = 1024

const gzipped = promisify(gzip)
const brotlied = promisify(brotliCompress)
// The default, 11, takes a second for a page; this is as fast as gzip, and smaller.
const brotliQuality = 5

/** Compresses, on another thread. */
export const compressed = (body: Uint8Array, coding: Exclude<Coding, "identity">): Promise<Uint8Array<ArrayBuffer>> =>
  coding === "gzip"
    ? gzipped(body)
    : brotlied(body, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: brotliQuality,
          [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
          [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
        },
      })

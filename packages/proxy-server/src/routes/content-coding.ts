/** Compression of responses. */
import { promisify } from "node:util"
import { brotliCompress, constants, gzip } from "node:zlib"
import type { Context } from "hono"
import { preferred } from "./negotiation.ts"

const codings = ["identity", "gzip", "br"] as const
/** The content coding of a response (RFC 9110 section 8.4). */
export type Coding = (typeof codings)[number]

/** The coding that the caller prefers; identity if it names none or accepts none of ours. */
export const acceptedCoding = (c: Context): Coding => preferred(c, "Accept-Encoding", codings) ?? "identity"

/** In bytes: a smaller response fits into a packet or two with its headers anyway. */
export const worthCompressing = 1024

const gzipped = promisify(gzip)
const brotlied = promisify(brotliCompress)
// The default, 11, takes a second for a page; 5 is as fast as gzip, and smaller.
const brotliQuality = 5

/** Compresses on another thread. */
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

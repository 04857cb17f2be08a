/**
 * Pages of the list as they go out, kept for the next caller: bounded in bytes and number whatever callers ask for, their
 * keys, headers and compressed forms included.
 */
import { LRUCache } from "lru-cache"
import { dataHeaders } from "../http/http-headers.ts"
import { type Coding, compressed, worthCompressing } from "./content-coding.ts"
import type { StoragePage } from "./storage-answer.ts"

/** A page as it goes out in one coding, save the times. */
export interface CodedPage {
  readonly body: Uint8Array<ArrayBuffer>
  readonly etag: string
  readonly headers: Readonly<Record<string, string>>
  /** Of a 304. */
  readonly headersWithoutBody: Readonly<Record<string, string>>
}

/** Bytes of all kept pages in all codings, over all snapshots. */
const mostBytes = 16 * 1024 * 1024
/** Pages in all codings: the walk of a long list in its largest pages, several times. */
const mostPages = 2000
/** Bytes that a page takes besides its body and the texts that callers can make long: headers, objects. */
const overhead = 2048

/** Compressions at the same time, on other threads: an answer whose turn it is not goes out as it is. */
const compressionsAtOnce = 2
/**
 * Compressions in a row, and per second after that. A large page takes some 10 ms: whoever changes a parameter with each
 * request keeps a tenth of a processor busy, no more.
 */
const compressionsInARow = 64
const compressionsPerSecond = 10

/** What every answer from a snapshot says besides its body, whatever the time. */
export const headersOf = (etag: string) => ({
  ...dataHeaders,
  ETag: etag,
  // Whoever keeps it asks before each use whether it still holds, and no one else sees it.
  "Cache-Control": "private, no-cache",
  Vary: "Accept, Accept-Encoding",
})

/** A page in a coding. */
export const codedPage = ({ digest, link }: StoragePage, coding: Coding, body: Uint8Array<ArrayBuffer>): CodedPage => {
  const etag = coding === "identity" ? `"${digest}"` : `"${digest}-${coding}"`
  const headersWithoutBody = { ...headersOf(etag), ...(link === undefined ? {} : { Link: link }) }
  const headers = {
    ...headersWithoutBody,
    "Content-Type": "application/json",
    // Said here, so that HEAD says it too.
    "Content-Length": String(body.length),
    ...(coding === "identity" ? {} : { "Content-Encoding": coding }),
  }
  return { body, etag, headers, headersWithoutBody }
}

export interface KeptPages {
  /** Bytes that the kept pages take. */
  readonly bytes: () => number
  /** The page of this key in the wanted coding, or as it is if it cannot be compressed now; `undefined` if none is kept. */
  readonly get: (key: string, wanted: Coding) => CodedPage | Promise<CodedPage> | undefined
  /** Keeps a page. */
  readonly put: (key: string, page: StoragePage) => void
}

/** @param now milliseconds of a clock that no step of the wall clock moves */
export const keptPages = (now: () => number = () => performance.now()): KeptPages => {
  const kept = new LRUCache<string, { readonly page: StoragePage; readonly coded: CodedPage }>({
    max: mostPages,
    maxSize: mostBytes,
    sizeCalculation: ({ page, coded }, key) =>
      coded.body.length + 2 * (key.length + (page.link?.length ?? 0)) + overhead,
  })
  const compressing = new Map<string, Promise<CodedPage>>()
  let allowed = compressionsInARow
  let countedAt = now()
  const mayCompress = (): boolean => {
    const at = now()
    allowed = Math.min(compressionsInARow, allowed + ((at - countedAt) / 1000) * compressionsPerSecond)
    countedAt = at
    return compressing.size < compressionsAtOnce && allowed >= 1
  }
  const compress = async (codedKey: string, page: StoragePage, coding: Exclude<Coding, "identity">) => {
    try {
      const coded = codedPage(page, coding, await compressed(page.body, coding))
      kept.set(codedKey, { page, coded })
      return coded
    } finally {
      compressing.delete(codedKey)
    }
  }
  return {
    bytes: () => kept.calculatedSize,
    get: (key, wanted) => {
      const plain = kept.get(key)
      if (plain === undefined || wanted === "identity" || plain.page.body.length < worthCompressing) return plain?.coded
      const codedKey = `${wanted} ${key}`
      const coded = kept.get(codedKey)?.coded ?? compressing.get(codedKey)
      if (coded !== undefined || !mayCompress()) return coded ?? plain.coded
      allowed -= 1
      const made = compress(codedKey, plain.page, wanted)
      compressing.set(codedKey, made)
      return made
    },
    put: (key, page) => void kept.set(key, { page, coded: codedPage(page, "identity", page.body) }),
  }
}

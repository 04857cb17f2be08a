/** Reads a response of the list's endpoint: entries line by line, a page, or "not modified". */
import { readJson } from "@cscs/http-transport"
import type { EntryList } from "./entry-list.ts"
import { UnexpectedResponse } from "./errors.ts"
import { makeEntryReader } from "./read-entries.ts"

/** What a response contains besides its headers. */
export type Received =
  /** All lines, if their number is that of `X-Total-Count`; `isCut` if the last one has no end. */
  | ({ readonly kind: "lines"; readonly count: number; readonly isCut: boolean } & Pick<
      EntryList,
      "entries" | "notUnderstood"
    >)
  | { readonly kind: "page"; readonly body: unknown; readonly bytes: number }
  | { readonly kind: "unchanged" }

export const linesType = "application/x-ndjson"

/** Maximum characters of one entry's JSON, as in the proxy: four times the largest target item (64 kB). */
const longestLine = 256 * 1024

/** Maximum size of a list in bytes, decoded: 100,000 entries have 150 MB. */
export const maxListBytes = 256 * 1024 * 1024

/** Maximum number of entries of a list, far above any real one: bounds what a hostile server can make the client keep. */
export const maxEntries = 1_000_000

/** `X-Total-Count`, the number of entries on all pages; `undefined` if it is absent or invalid. */
export const totalOf = (headers: Headers): number | undefined => wholeNumber(headers.get("x-total-count"))

/** A whole number in a header; `undefined` for anything else. */
export const wholeNumber = (text: string | null): number | undefined =>
  text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/**
 * Reads a success or a 304 to its end.
 *
 * @param call its name in errors
 * @returns an error as a value if the response is not of this API. Throws any error of reading the body
 */
export const receive = async (response: Response, call: string): Promise<Received | UnexpectedResponse> => {
  const { status, headers } = response
  const unexpected = (detail: string) => new UnexpectedResponse({ call, detail })
  if (status === 304) return { kind: "unchanged" }
  const [type = ""] = (headers.get("content-type") ?? "").slice(0, longestType).toLowerCase().split(";")
  if (type.trim() !== linesType) return { kind: "page", ...(await readJson(response, false)) }
  const total = totalOf(headers)
  if (status !== 200 || total === undefined || total > maxEntries) {
    await response.body?.cancel()
    return unexpected(
      `expected 200 with an X-Total-Count of at most ${maxEntries}, found ${status} with ${total ?? "none"}`,
    )
  }
  const decoder = new TextDecoder("utf-8", { fatal: true })
  const reader = makeEntryReader()
  let rest = ""
  // Leaving the loop early cancels the body, and its connection.
  for await (const chunk of response.body ?? []) {
    const text = textIn(decoder, chunk)
    if (text === undefined) return unexpected("bytes that are not UTF-8")
    const lines = `${rest}${text}`.split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) {
      // An endless list ends here.
      if (reader.count() === total) return unexpected(`more lines than its X-Total-Count of ${total}`)
      if (line.length > longestLine) return unexpected(tooLong)
      const entry = parsed(line)
      if (entry === undefined) return unexpected(`line ${reader.count() + 1} is not JSON`)
      reader.add(entry)
    }
    if (rest.length > longestLine) return unexpected(tooLong)
  }
  return { kind: "lines", count: reader.count(), isCut: rest !== "", ...reader.read() }
}

const tooLong = `a line of more than ${longestLine} characters`

/** Characters of a header that are parsed; no media type is longer. */
const longestType = 256

const textIn = (decoder: InstanceType<typeof TextDecoder>, chunk: Uint8Array): string | undefined => {
  try {
    return decoder.decode(chunk, { stream: true })
  } catch {
    return undefined
  }
}

/** `undefined` for what is not JSON, which JSON cannot express. */
const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Reads response bodies: a success as JSON, an error as a short text. */
import { turnIfDue } from "./cooperatively.ts"

/** Maximum number of bytes read from an error response; enough for its message. */
const errorBytes = 16 * 1024
/** Maximum length of an error's text in a message, in characters. */
const wordsShown = 200
/** Characters of a header's value that are parsed; no media type is longer. */
const headerShown = 256

/** A success whose body is not a complete JSON text in UTF-8. Its message quotes nothing of the body. */
export class NotJson extends Error {
  override readonly name = "NotJson"
}

/** The first 16 kB of an error response's body, decoded as UTF-8; invalid bytes are replaced. */
export const readErrorText = async (response: Response): Promise<string> => {
  const decoder = new TextDecoder()
  const chunks: Array<string> = []
  let bytes = 0
  // Leaving the loop early cancels the body, and its connection.
  for await (const chunk of response.body ?? []) {
    chunks.push(decoder.decode(chunk.subarray(0, errorBytes - bytes), { stream: true }))
    bytes += chunk.byteLength
    if (bytes >= errorBytes) break
  }
  return chunks.join("")
}

/**
 * The body of a success as JSON, `undefined` if it is empty, and its size in bytes.
 *
 * Throws `NotJson` unless the body is a complete JSON text: a partial response (206) or one that an intermediary changed
 * (203), another media type than JSON, another charset than UTF-8, bytes that are not UTF-8, text that is not JSON. If an
 * object contains a name twice, the last value counts, as usual.
 *
 * @param parse replaces `JSON.parse`; an exception from it becomes `NotJson`
 * @param recognise receives the bytes before they are decoded; a result other than `undefined` is the body
 */
export const readJson = async (
  response: Response,
  isPost: boolean,
  parse: (text: string) => unknown = JSON.parse,
  recognise: (content: Uint8Array) => unknown = () => undefined,
): Promise<{ readonly body: unknown; readonly bytes: number }> => {
  const { status } = response
  if (!(isPost ? status !== 206 : wholeStatuses.includes(status))) {
    await response.body?.cancel()
    throw new NotJson(`responded with ${status}, which is not the complete response`)
  }
  const content = new Uint8Array(await response.arrayBuffer())
  const bytes = content.byteLength
  if (bytes === 0) return { body: undefined, bytes }
  const { type, charset } = mediaTypeOf(response)
  const found = `${bytes} bytes ${type === undefined ? "without a media type" : `of ${type}`}`
  if (type !== undefined && !/^[\w.-]+\/([\w.-]+\+)?json$/.test(type)) throw new NotJson(`${found}, not JSON`)
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/.test(charset)) throw new NotJson(`${found}, not in UTF-8`)
  // Bodies that arrive together take turns: parsing a page costs milliseconds.
  await turnIfDue()
  const known = recognise(content)
  if (known !== undefined) return { body: known, bytes }
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(content)
  } catch {
    throw new NotJson(`${found}, not in UTF-8`)
  }
  try {
    return { body: parse(text), bytes }
  } catch {
    throw new NotJson(`${found}, which cannot be parsed`)
  }
}

/** For GET and HEAD; a POST may return any success except a partial one. */
const wholeStatuses = [200, 201, 204]

/** Media type and charset in lower case. Invalid values are replaced, since they appear in messages. */
const mediaTypeOf = (
  response: Response,
): { readonly type: string | undefined; readonly charset: string | undefined } => {
  const header = response.headers.get("content-type")
  const values = (header ?? "").slice(0, headerShown).toLowerCase().split(",")
  // A gateway may have duplicated the header.
  const value = values.every((one) => one.trim() === values[0]?.trim()) ? values[0] : header
  if (!value?.trim()) return { type: undefined, charset: undefined }
  const [essence = "", ...parameters] = value.split(";")
  const type = essence.trim()
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith("charset="))
  return {
    type: /^[a-z0-9.+-]{1,60}\/[a-z0-9.+-]{1,60}$/.test(type) ? type : "an odd media type",
    charset: charset?.slice("charset=".length).replaceAll('"', ""),
  }
}

/** The start of an error's body for a message: without HTML tags, white space collapsed, 200 characters. */
export const excerpt = (text: string): string => {
  const plain = text
    .slice(0, 4096)
    // safe-regex: 4,096 characters at most
    .replace(/<style[\s\S]*?<\/style>/gi, " ")
    // safe-regex: likewise
    .replace(/<script[\s\S]*?<\/script>/gi, " ")
    .replace(/<[^<>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim()
  if (plain === "") return "an empty body"
  return plain.length > wordsShown ? `${plain.slice(0, wordsShown)}…` : plain
}

/** Names that identify the kind of a response and cannot be user data. */
const tellingNames = ["detail", "error", "message", "results", "count", "next", "name", "uuid", "version", "projects"]

/** The names of an object that identify the kind of response; other names may be data, which no message quotes. */
export const tellingNamesOf = (value: object): ReadonlyArray<string> =>
  tellingNames.filter((name) => Object.hasOwn(value, name))

/** The whole list of a service, page by page. */
import { at, isObject, type JsonObject, listAt, textAt } from "./json-values.ts"

export interface Answer {
  readonly status: number
  readonly link: string | null
  readonly text: string
  /** The parsed body; `undefined` where it is no JSON. */
  readonly body: unknown
}

/** An entry, and the same entry with every number as the text that it was sent as. */
export interface SentEntry {
  readonly entry: JsonObject
  readonly spelled: JsonObject
}

export type Listing =
  | { readonly answered: true; readonly entries: ReadonlyArray<SentEntry> }
  | { readonly answered: false; readonly refusal: Answer }

const list = "/api/storage-resources/"

export const ask = async (url: string, path: string, deadline: AbortSignal): Promise<Answer> => {
  const response = await fetch(url + path, { redirect: "manual", signal: deadline })
  const text = await response.text()
  return { status: response.status, link: response.headers.get("Link"), text, body: parsed(text) }
}

export const askList = (url: string, query: string, deadline: AbortSignal): Promise<Answer> =>
  ask(url, query === "" ? list : `${list}?${query}`, deadline)

/** Walks all pages. They are counted by the service itself. */
export const wholeList = async (url: string, deadline: AbortSignal): Promise<Listing> => {
  const entries: Array<SentEntry> = []
  for (let page = 1; ; page++) {
    const answer = await askList(url, `page=${page}&page_size=500`, deadline)
    if (answer.status !== 200) return { answered: false, refusal: answer }
    const spelled = listAt(parsed(answer.text, true), "resources")
    listAt(answer.body, "resources").forEach((entry, index) => {
      const other = spelled[index]
      if (isObject(entry) && isObject(other)) entries.push({ entry, spelled: other })
    })
    const pages = at(answer.body, "pagination.pages")
    if (typeof pages !== "number" || page >= pages) return { answered: true, entries }
  }
}

const parsed = (text: string, spelled = false): unknown => {
  // The third parameter is younger than TypeScript's own declaration.
  const keepSpelling = (_key: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" ? (context?.source ?? String(value)) : value
  try {
    return spelled ? JSON.parse(text, keepSpelling as (key: string, value: unknown) => unknown) : JSON.parse(text)
  } catch {
    return undefined
  }
}

const hex = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/

/** A UUID dashed and in lower case; `undefined` for anything else. */
export const dashed = (value: unknown): string | undefined =>
  typeof value === "string" ? hex.exec(value.toLowerCase())?.slice(1).join("-") : undefined

export const kindOf = (entry: JsonObject): "tenant" | "customer" | "resource" => {
  const type = textAt(entry, "target.targetType")
  return type === "tenant" || type === "customer" ? type : "resource"
}

/**
 * What makes two entries the same one. A resource: its uuid. A tenant or customer comes back at several mount points,
 * and 0.10.0 moves these; so the data type in place of the mount point, and for a customer the tenant above it.
 */
export const keyOf = (entry: JsonObject): string => {
  const kind = kindOf(entry)
  const id = dashed(entry.itemId) ?? String(entry.itemId)
  if (kind === "resource") return `resource ${id}`
  const type = textAt(entry, "storageDataType.key")
  return kind === "tenant" ? `tenant ${id} ${type}` : `customer ${id} of ${dashed(entry.parentItemId)} ${type}`
}

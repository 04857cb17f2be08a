/** Requests to the proxy, and its failures in words with what to do next. */
import type { Explanation, Skipped, StorageEntry, Warning } from "@cscs/storage-model"

/** The page is served at `<proxy>/explorer/`, under any path prefix. */
const base = new URL("../", location.href)

/** The URL of a path of the proxy. */
export const addressOf = (path: string): string => new URL(path, base).href

/** `config.json`, which the proxy serves beside this page. */
export interface ExplorerConfig {
  readonly version: string
  /** Whether the list needs a token. */
  readonly authentication: boolean
  readonly issuer: string | null
  /** The public client for the sign-in; if `null`, the user pastes a token. */
  readonly clientId: string | null
}

/** The parts of `/healthz/ready` that are shown. */
export interface Readiness {
  readonly status: "ready" | "starting" | "stopping"
  readonly warnings: ReadonlyArray<string>
  readonly snapshot: { readonly age: number; readonly entries: number; readonly skipped: number } | null
  readonly upstreams: Readonly<
    Record<string, { readonly status: string; readonly detail?: string; readonly since?: string }>
  >
}

/** What debug mode reports about the list. */
export interface Findings {
  readonly skipped: ReadonlyArray<Omit<Skipped, "code">>
  readonly warnings: ReadonlyArray<Omit<Warning, "code">>
}

/** What the proxy knows about an entry. */
export interface EntryExplanation extends Pick<Explanation, "found"> {
  /** Why the list still has the last good entries of a storage system instead of what is explained. */
  readonly guarded: ReadonlyArray<string>
}

/** Why there is no response to show. */
export interface Failure {
  /** A failure that is `forbidden` or `unknown` remains; any other may pass. */
  readonly kind: "offline" | "signed out" | "forbidden" | "unknown" | "failed"
  readonly what: string
  readonly remedy: string
}

export const isFailure = (outcome: object): outcome is Failure => "remedy" in outcome

const offline: Failure = {
  kind: "offline",
  what: "The proxy cannot be reached.",
  remedy: "Check the network connection. This page retries automatically.",
}

const failureOf = async (response: Response): Promise<Failure> => {
  const body: { detail?: unknown } | null = await response.json().catch(() => null)
  if (body?.detail === undefined)
    return {
      kind: "offline",
      what: `The proxy cannot be reached: a server in front of it responded with ${response.status}.`,
      remedy: "This page retries automatically.",
    }
  const reported = typeof body.detail === "string" ? ` ${body.detail}.` : ""
  switch (response.status) {
    case 401:
      return { kind: "signed out", what: `The token was refused.${reported}`, remedy: "Sign in again." }
    case 403:
      return {
        kind: "forbidden",
        what: `This account does not have access.${reported}`,
        remedy: "Ask an operator of the proxy for the required role, or sign out and use another account.",
      }
    case 502:
      return {
        kind: "failed",
        what: "An upstream of the proxy is failing.",
        remedy: "Health shows which upstream. This page retries automatically.",
      }
    case 404:
      return {
        kind: "unknown",
        what: "The proxy does not know this entry.",
        remedy: "It may have been removed, or the proxy has no record of it: see Tree and Problems.",
      }
    default:
      return {
        kind: "failed",
        what: `The proxy responded with ${response.status}.${reported}`,
        remedy: "This page retries automatically. The proxy's log has the reason.",
      }
  }
}

interface Options {
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Bypasses the browser's cache, which would store the data and hide a 304. */
const request = (path: string, { token, headers, signal }: Options): Promise<Response | undefined> =>
  fetch(addressOf(path), {
    cache: "no-store",
    headers: { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    ...(signal === undefined ? {} : { signal }),
  }).catch(() => undefined)

const json = async <A extends object>(path: string, options: Options = {}, accepted = 200): Promise<A | Failure> => {
  const response = await request(path, options)
  if (response === undefined) return offline
  if (!response.ok && response.status !== accepted) return failureOf(response)
  const body: unknown = await response.json().catch(() => undefined)
  return typeof body === "object" && body !== null ? (body as A) : offline
}

export const readConfig = () => json<ExplorerConfig>("explorer/config.json")

/** Before the first list, the proxy sends the same report with status 503; a gateway's 503 has another body. */
export const readReadiness = async (): Promise<Readiness | Failure> => {
  const report = await json<Readiness>("healthz/ready", {}, 503)
  return isFailure(report) || "upstreams" in report ? report : offline
}

export const readExplanation = (uuid: string, token: string | undefined) =>
  json<EntryExplanation>(explanationPath(uuid), { token })
export const explanationPath = (uuid: string): string => `api/storage-resources/${encodeURIComponent(uuid)}/explanation`

/** Debug mode reads Waldur live, so this requests the smallest page, and only when the view is open. */
export const readFindings = (token: string | undefined) =>
  json<Findings>("api/storage-resources/?debug=true&page_size=1", { token })

/** The outcome of a read: a whole list has arrived, or the known one has not changed. */
export interface ReadList {
  readonly isChanged: boolean
  readonly etag: string
  /** Age of the oldest entries in milliseconds when they arrived. */
  readonly age: number
}

/**
 * Reads the whole list, one entry per line, as it arrives, in slices between which the page draws and takes input.
 *
 * @param state Waldur's state to filter by; empty for all
 * @param etag the ETag of the known list; empty if there is none
 * @param onEntry called with each entry
 * @param onPart called between two slices, each time the number of entries has doubled
 */
export const readList = async (
  { token, state, etag, signal }: { token: string | undefined; state: string; etag: string; signal: AbortSignal },
  onEntry: (entry: StorageEntry) => void,
  onPart: () => void,
): Promise<ReadList | Failure> => {
  const query = state === "" ? "" : `?state=${encodeURIComponent(state)}`
  const headers = { Accept: "application/x-ndjson", ...(etag === "" ? {} : { "If-None-Match": etag }) }
  const response = await request(`api/storage-resources/${query}`, { token, headers, signal })
  if (response === undefined) return offline
  if (!response.ok && response.status !== 304) return failureOf(response)
  const known = { etag: response.headers.get("ETag") ?? "", age: Number(response.headers.get("Age") ?? 0) * 1000 }
  if (response.status === 304 || response.body === null) return { ...known, isChanged: false }
  let [rest, entries, next, sliceBegan] = ["", 0, firstPart, performance.now()]
  const put = (line: string) => {
    if (line === "") return
    onEntry(JSON.parse(line))
    entries += 1
  }
  const pause = async () => {
    await turn()
    if (entries >= next) {
      next = 2 * entries
      onPart()
      await turn()
    }
    sliceBegan = performance.now()
  }
  try {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const lines = (rest + read.value).split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) {
        put(line)
        if (performance.now() - sliceBegan >= slice) await pause()
      }
      if (entries >= next) await pause()
    }
    put(rest)
  } catch {
    // The connection broke, or the read was aborted: a partial list must not look complete.
    return offline
  }
  return { ...known, isChanged: true }
}

/** Entries after which the first part is shown: more than fit on a screen. */
const firstPart = 500
/** Milliseconds of reading after which the page draws and takes input: half a frame. */
const slice = 8

/** Lets the browser draw and take input. */
const turn = (): Promise<void> =>
  "scheduler" in globalThis && "yield" in scheduler ? scheduler.yield() : new Promise((resolve) => setTimeout(resolve))

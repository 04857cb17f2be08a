/** Decodes the project export: strict about GIDs, tolerant of unrelated records. */
import type { HpcUserApiError } from "./errors.ts"

/** The result of a lookup: each name is in exactly one of the three maps. */
export interface GidLookup {
  /** Unix GID by `posixName`. */
  readonly known: ReadonlyMap<string, number>
  /** Names without a usable GID, each with the reason: `unixGid is 500, below 1000`. */
  readonly unknown: ReadonlyMap<string, string>
  /** Names whose lookup failed. Nothing is known about these; try again later. */
  readonly failed: ReadonlyMap<string, HpcUserApiError>
}

/** The reason if the API's response does not contain a name. */
const notInResponse = "the HPC User API does not know it"

/** The default for the largest valid GID: the largest signed 32-bit integer. */
const largestGid = 2_147_483_647

/** `nobody` or `nogroup` on many systems, and -1 in 16 bits, which means no group. */
const reserved = [65_534, 65_535]

/** Maximum length of a value in a reason, in characters. */
const maxShownValue = 60

/** The names that a complete response decides. */
export type ExportResult = Pick<GidLookup, "known" | "unknown">

/**
 * Decodes `{"projects": [{"posixName", "unixGid"}, ...]}` for the requested names; `undefined` if the body is not an object
 * with a list `projects`.
 *
 * Decodes record by record, so that an invalid one affects only its own name. Strict within a name: a GID controls access to
 * a group's data, so two different values, a string, or a number out of range make the name unknown; nothing is repaired.
 */
export const readProjectExport = (
  body: unknown,
  requested: Iterable<string>,
  minGid: number,
  maxGid: number = largestGid,
): ExportResult | undefined => {
  const projects = fieldOf(body, "projects")
  if (!Array.isArray(projects)) return undefined
  const found = new Map<string, Set<unknown>>()
  for (const name of requested) found.set(name, new Set())
  for (const record of projects) {
    const name = fieldOf(record, "posixName")
    const values = typeof name === "string" ? found.get(name) : undefined
    if (values === undefined) continue
    const value = fieldOf(record, "unixGid")
    // Arrays and objects are compared by their JSON text, so equal ones count as one value.
    values.add(typeof value === "object" && value !== null ? textOf(value) : value)
  }
  const known = new Map<string, number>()
  const unknown = new Map<string, string>()
  for (const [name, values] of found) {
    const gid = gidFrom(values, minGid, maxGid)
    if (typeof gid === "number") known.set(name, gid)
    else unknown.set(name, gid)
  }
  return { known, unknown }
}

/** The GID in the values of a name's records, or the reason why it has none. */
const gidFrom = (values: ReadonlySet<unknown>, minGid: number, maxGid: number): number | string => {
  // A record without a value does not contradict another one.
  const given = [...values].filter((value) => value !== undefined && value !== null)
  const [gid] = given
  if (values.size === 0) return notInResponse
  if (given.length === 0) return "the HPC User API returns no unixGid for it"
  if (given.length > 1) {
    return `${given.length === 2 ? "two" : given.length} values: ${given.slice(0, 5).map(display).join(", ")}`
  }
  if (typeof gid !== "number" || !Number.isSafeInteger(gid)) return `unixGid is ${display(gid)}, not an integer`
  const why = refusal(gid, minGid, maxGid)
  return why === undefined ? gid : `unixGid is ${gid}, ${why}`
}

const refusal = (gid: number, minGid: number, maxGid: number): string | undefined => {
  if (gid < minGid) return `below ${minGid}`
  if (gid > maxGid) return `above ${maxGid}`
  return reserved.includes(gid) ? "reserved, never a project's group" : undefined
}

/**
 * Parses a response as JSON, more strictly than `JSON.parse`. Throws if an object contains a name twice, since another parser
 * may use the other value. A `unixGid` that is not written as an integer (`31001.0`, `3.1001e4`, or
 * `31001.0000000000000001`, which becomes one only by rounding) is returned as its source text.
 */
export const parseExport = (text: string): unknown => {
  const parsed: unknown = JSON.parse(text, (name, value: unknown, context?: { readonly source?: string }) =>
    name === "unixGid" && typeof value === "number" && !/^-?\d+$/.test(context?.source ?? String(value))
      ? (context?.source ?? String(value)).slice(0, maxShownValue)
      : value,
  )
  // After JSON.parse: in valid JSON every string is terminated, so the tokens are found in linear time.
  requireDistinctNames(text)
  return parsed
}

/** The relevant JSON tokens: strings, with the colon after a name, and braces. */
// safe-regex: only for text that JSON.parse has accepted, where every string is terminated
const jsonTokens = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}]/gs

const requireDistinctNames = (text: string): void => {
  const open: Array<Set<string>> = []
  for (const [token, colon] of text.matchAll(jsonTokens)) {
    if (token === "{") open.push(new Set())
    else if (token === "}") open.pop()
    else if (colon !== undefined) {
      const name: unknown = JSON.parse(token.slice(0, -colon.length))
      const names = open.at(-1)
      if (typeof name !== "string" || names === undefined) continue
      if (names.has(name)) throw new Error("an object contains a name twice")
      names.add(name)
    }
  }
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined

const textOf = (value: object): string => {
  try {
    return JSON.stringify(value)
  } catch {
    return "nested too deeply"
  }
}

const display = (value: unknown): string => {
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, maxShownValue + 1)) : String(value)
  return text.length > maxShownValue ? `${text.slice(0, maxShownValue)}…` : text
}

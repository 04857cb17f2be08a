import type { HpcUserApiError } from "./errors.ts"

/** What became of the names asked for: each is in exactly one of the three. */
export interface GidLookup {
  /** Unix GID by `posixName`. */
  readonly known: ReadonlyMap<string, number>
  /** Names that have no usable GID, each with why in words: `unixGid is 500, below 1000`. */
  readonly unknown: ReadonlyMap<string, string>
  /** Names that the API could not be asked for. Nothing is known about these: ask again later. */
  readonly failed: ReadonlyMap<string, HpcUserApiError>
}

/** Why a name has no GID when the API simply leaves it out. */
export const notKnown = "the HPC User API does not know it"

/** The largest number that a GID can be, unless a configuration says less: a signed 32-bit integer. */
export const largestGid = 2_147_483_647

/** `nobody` and `nogroup` of many systems, in 16 bits, and what -1 is there, which stands for no group at all. */
const reserved = [65_534, 65_535]

/** Characters of a value that is told. */
const shown = 60

/** The names of a batch that a whole answer decides. */
export type Decided = Pick<GidLookup, "known" | "unknown">

/**
 * Reads `{"projects": [{"posixName", "unixGid"}, ...]}` for the names that were asked; `undefined` where the body has not
 * even that frame.
 *
 * Record by record, so that an odd one costs only itself. Strict within a name: a GID decides who may read a group's
 * data, so two differing values, a text, or a number out of range make the name unknown; nothing is repaired.
 */
export const readProjectExport = (
  body: unknown,
  asked: Iterable<string>,
  minGid: number,
  maxGid: number = largestGid,
): Decided | undefined => {
  const projects = fieldOf(body, "projects")
  if (!Array.isArray(projects)) return undefined
  const found = new Map<string, Set<unknown>>()
  for (const name of asked) found.set(name, new Set())
  for (const record of projects) {
    const name = fieldOf(record, "posixName")
    const values = typeof name === "string" ? found.get(name) : undefined
    if (values === undefined) continue
    const value = fieldOf(record, "unixGid")
    // Arrays and objects are told apart by their text: two equal ones are one value.
    values.add(typeof value === "object" && value !== null ? textOf(value) : value)
  }
  const known = new Map<string, number>()
  const unknown = new Map<string, string>()
  for (const [name, values] of found) {
    // A record without a value says no more than no record; beside another it contradicts nothing.
    const given = [...values].filter((value) => value !== undefined && value !== null)
    const [gid] = given
    if (values.size === 0) unknown.set(name, notKnown)
    else if (given.length === 0) unknown.set(name, "the HPC User API gives it no unixGid")
    else if (given.length > 1) {
      unknown.set(
        name,
        `${given.length === 2 ? "two" : given.length} values: ${given.slice(0, 5).map(display).join(", ")}`,
      )
    } else if (!Number.isSafeInteger(gid)) unknown.set(name, `unixGid is ${display(gid)}, not an integer`)
    else {
      const why = refusal(gid as number, minGid, maxGid)
      if (why === undefined) known.set(name, gid as number)
      else unknown.set(name, `unixGid is ${gid}, ${why}`)
    }
  }
  return { known, unknown }
}

const refusal = (gid: number, minGid: number, maxGid: number): string | undefined => {
  if (gid < minGid) return `below ${minGid}`
  if (gid > maxGid) return `above ${maxGid}`
  return reserved.includes(gid) ? "which stands for nobody" : undefined
}

/**
 * Reads the text of an answer as JSON, more strictly than `JSON.parse`. Throws for an object that holds a name twice, of
 * which another reader may take the other value. A `unixGid` that is not written as an integer (`31001.0`, `3.1001e4`,
 * and `31001.0000000000000001`, which is one only once it is rounded) becomes the text that it was.
 */
export const parseExport = (text: string): unknown => {
  const parsed: unknown = JSON.parse(text, (name, value: unknown, context?: { readonly source?: string }) =>
    name === "unixGid" && typeof value === "number" && !/^-?\d+$/.test(context?.source ?? String(value))
      ? (context?.source ?? String(value)).slice(0, shown)
      : value,
  )
  // After it: in what is JSON each text ends, so the tokens are found in linear time.
  requireDistinctNames(text)
  return parsed
}

/** Each token of JSON that matters here: a text, with the colon behind it where it is a name, and brackets. */
// safe-regex: only for what JSON.parse has taken, where each text ends
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
      if (names.has(name)) throw new Error("an object holds a name twice")
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
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, shown + 1)) : String(value)
  return text.length > shown ? `${text.slice(0, shown)}…` : text
}

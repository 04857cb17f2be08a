import { Option, Schema } from "effect"
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

const ProjectExport = Schema.Struct({ projects: Schema.Array(Schema.Unknown) })
const ProjectRecord = Schema.Struct({ posixName: Schema.String, unixGid: Schema.optionalKey(Schema.Unknown) })

const decodeExport = Schema.decodeUnknownOption(ProjectExport)
const decodeRecord = Schema.decodeUnknownOption(ProjectRecord)
const isGid = Schema.is(Schema.Int)

/** The names of a batch that a whole answer decides. */
export type Decided = Pick<GidLookup, "known" | "unknown">

/**
 * Reads `{"projects": [{"posixName", "unixGid"}, ...]}` for the names that were asked; `undefined` where the body has not
 * even that frame.
 *
 * Record by record, so that an odd one costs only itself. Strict within a name: a GID decides who may read a group's
 * data, so two differing values, a string or a number below `minGid` make the name unknown; nothing is repaired.
 */
export const readProjectExport = (body: unknown, asked: Iterable<string>, minGid: number): Decided | undefined => {
  const frame = decodeExport(body)
  if (Option.isNone(frame)) return undefined
  const found = new Map<string, Set<unknown>>()
  for (const name of asked) found.set(name, new Set())
  for (const record of frame.value.projects) {
    const project = decodeRecord(record)
    if (Option.isNone(project)) continue
    const { posixName, unixGid } = project.value
    // Arrays and objects are told apart by their text: two equal ones are one value.
    found.get(posixName)?.add(typeof unixGid === "object" && unixGid !== null ? JSON.stringify(unixGid) : unixGid)
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
      unknown.set(name, `${given.length === 2 ? "two" : given.length} values: ${given.map(display).join(", ")}`)
    } else if (!isGid(gid)) unknown.set(name, `unixGid is ${display(gid)}, not an integer`)
    else if (gid < minGid) unknown.set(name, `unixGid is ${gid}, below ${minGid}`)
    else known.set(name, gid)
  }
  return { known, unknown }
}

const display = (value: unknown): string => {
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

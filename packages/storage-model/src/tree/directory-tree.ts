/** A radix tree of directories with what is known about each. A lookup takes time linear in the length of the path. */

export interface Occupants {
  readonly first: string
  second: string | undefined
  count: number
}

/** A description that is built only on demand. */
type Words = () => string

/**
 * A node: a directory about which something is known, or below which paths branch. Paths are compared by components, so
 * `/a/b` is no prefix of `/a/bc`. The number of nodes grows with the number of paths, not with their depth.
 */
export interface Directory {
  /** Its path relative to its parent node: names separated by `/`, with `*` for an invalid name. */
  run: string
  /** Child nodes by their first name; created on demand, since most nodes have none. */
  entries: Map<string, Directory> | undefined
  /** The resources that are certainly live here. */
  live: Occupants | undefined
  /** A description of what may be live here. */
  kept: string | undefined
  /** Describes what may be live here or anywhere below. */
  region: Words | undefined
  /** Describes what is live here or below. */
  holds: Words | undefined
  /** A resource, live or not, whose directory this is. */
  owner: string | undefined
}

/** A position within a node: the number of characters of its run that are consumed; all of them at the node itself. */
export interface Place {
  readonly directory: Directory
  readonly at: number
}

/** The node at a position; `undefined` if the position is inside its run. */
export const directoryAt = ({ directory, at }: Place): Directory | undefined =>
  at === directory.run.length ? directory : undefined

/** The position of a child; `undefined` if nothing is known about it or about anything below. */
export const entryOf = ({ directory, at }: Place, name: string): Place | undefined => {
  if (at === directory.run.length) {
    const entry = directory.entries?.get(name)
    return entry && { directory: entry, at: name.length }
  }
  const start = at + 1
  const end = start + name.length
  const isEntry = directory.run.startsWith(name, start) && (end === directory.run.length || directory.run[end] === "/")
  return isEntry ? { directory, at: end } : undefined
}

const firstName = (run: string) => run.split("/", 1)[0] ?? ""

/** Splits a node at a position, so that the position has a node of its own. */
const directoryMadeAt = ({ directory, at }: Place): Directory => {
  if (at === directory.run.length) return directory
  const below = { ...directory, run: directory.run.slice(at + 1) }
  const { holds } = directory
  Object.assign(directory, emptyDirectory(directory.run.slice(0, at)), { holds })
  directory.entries = new Map([[firstName(below.run), below]])
  return directory
}

const emptyDirectory = (run: string): Directory => ({
  run,
  entries: undefined,
  live: undefined,
  kept: undefined,
  region: undefined,
  holds: undefined,
  owner: undefined,
})

export const componentsOf = (path: string) => path.split("/").filter((component) => component !== "")

/** An empty tree. */
export const directoryTree = () => {
  const root = emptyDirectory("")
  const enter = (path: string, holds: Words | undefined): Directory => {
    const names = componentsOf(path)
    let place: Place = { directory: root, at: 0 }
    let passed = 0
    for (const name of names) {
      const next = entryOf(place, name)
      if (next === undefined) break
      if (next.directory !== place.directory) place.directory.holds ??= holds
      place = next
      passed += 1
    }
    const known = directoryMadeAt(place)
    known.holds ??= holds
    const [name] = names.slice(passed, passed + 1)
    if (name === undefined) return known
    const made = emptyDirectory(names.slice(passed).join("/"))
    made.holds = holds
    known.entries ??= new Map()
    known.entries.set(name, made)
    return made
  }
  const at = (path: string): Directory | undefined => {
    let place: Place | undefined = { directory: root, at: 0 }
    for (const name of componentsOf(path)) place = place && entryOf(place, name)
    return place && directoryAt(place)
  }
  /** The first result of `answer` among the ancestors of `path`, from the root down. */
  const onTheWay = (path: string, answer: (directory: Directory, at: string) => string | undefined) => {
    let place: Place | undefined = { directory: root, at: 0 }
    let above = ""
    for (const name of componentsOf(path)) {
      const directory = directoryAt(place)
      const found = directory && answer(directory, above)
      if (found !== undefined) return found
      place = entryOf(place, name)
      if (place === undefined) return undefined
      above += `/${name}`
    }
    return undefined
  }
  return { root: { directory: root, at: 0 } as Place, enter, at, onTheWay }
}

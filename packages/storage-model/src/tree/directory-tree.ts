/** A tree of directories by the components of their paths: what is known of each, found in time linear in the path's length. */

export interface Occupants {
  readonly first: string
  second: string | undefined
  count: number
}

/** In words, which are made only when somebody asks. */
type Words = () => string

/**
 * A directory of the disk of which something is known, or below which ways part. Descending by components takes time
 * linear in the path's length, and no prefix misleads. One for each path, however deep, and so many for no record.
 */
export interface Directory {
  /** Its path below the directory that has it as an entry: names, the name `*` for a bad one, with `/` between them. */
  run: string
  /** By the first name of each; made when needed, for most directories hold none. */
  entries: Map<string, Directory> | undefined
  /** Who is live here for certain. */
  live: Occupants | undefined
  /** Who may be live here, in words. */
  kept: string | undefined
  /** Who may be live here or anywhere below. */
  region: Words | undefined
  /** What is live here or below. */
  holds: Words | undefined
  /** A resource, live or not, whose directory this is. */
  owner: string | undefined
}

/** A place on the way to a directory: so many characters of its run, all of them where it is the directory itself. */
export interface Place {
  readonly directory: Directory
  readonly at: number
}

/** The directory at a place; `undefined` if the place is but on the way to one. */
export const directoryAt = ({ directory, at }: Place): Directory | undefined =>
  at === directory.run.length ? directory : undefined

/** The place of an entry; `undefined` if nothing is known of it, nor of what is below. */
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

/** Makes a place a directory. */
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
  /** The first answer on the way to `path`, `path` excluded. */
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

/** A radix tree of directories, each with some items. A lookup takes time linear in the length of the path. */

/**
 * A node: a directory with items, or below which paths branch. Paths are compared by components, so `/a/b` is not a prefix of
 * `/a/bc`. The number of nodes grows with the number of paths, not with their depth.
 */
export interface Directory<A> {
  /** Its path relative to its parent node: names separated by `/`. */
  run: string
  /** Child nodes by their first name; created on demand, since most nodes have none. */
  entries: Map<string, Directory<A>> | undefined
  items: Array<A>
  /** Number of counted items here and below. */
  size: number
}

/** A position within a node: the number of characters of its run that are consumed; all of them at the node itself. */
export interface Place<A> {
  readonly directory: Directory<A>
  readonly at: number
}

/** The node at a position; `undefined` if the position is inside its run. */
export const directoryAt = <A>({ directory, at }: Place<A>): Directory<A> | undefined =>
  at === directory.run.length ? directory : undefined

/** The position of a child; `undefined` if there is nothing at or below it. */
export const entryOf = <A>({ directory, at }: Place<A>, name: string): Place<A> | undefined => {
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
const directoryMadeAt = <A>({ directory, at }: Place<A>): Directory<A> => {
  if (at === directory.run.length) return directory
  const below = { ...directory, run: directory.run.slice(at + 1) }
  directory.run = directory.run.slice(0, at)
  directory.entries = new Map([[firstName(below.run), below]])
  directory.items = []
  return directory
}

export const componentsOf = (path: string) => path.split("/").filter((component) => component !== "")

const newDirectory = <A>(run: string, items: Array<A>): Directory<A> => ({ run, entries: undefined, items, size: 0 })

/** The tree; empty at first. */
export class DirectoryTree<A> {
  readonly root: Place<A> = { directory: newDirectory("", []), at: 0 }
  readonly #isCounted: (item: A) => boolean

  /** @param isCounted which items `size` counts */
  constructor(isCounted: (item: A) => boolean) {
    this.#isCounted = isCounted
  }

  add(path: string, item: A): void {
    const { place, rest, nodes } = this.#walk(path)
    const directory = directoryMadeAt(place)
    const [name] = rest
    if (name !== undefined) {
      // Most directories have one item, so the list is made with it: an empty one gets room for 17 at its first `push`.
      const made = newDirectory(rest.join("/"), [item])
      directory.entries ??= new Map()
      directory.entries.set(name, made)
      nodes.push(made)
    } else directory.items.push(item)
    if (this.#isCounted(item)) for (const node of nodes) node.size += 1
  }

  /** Removes an item that was added at this path; a node with nothing at or below it goes too. */
  remove(path: string, item: A): void {
    const { place, rest, nodes } = this.#walk(path)
    const directory = rest.length === 0 ? directoryAt(place) : undefined
    const index = directory?.items.indexOf(item) ?? -1
    if (directory === undefined || index < 0) return
    directory.items = directory.items.toSpliced(index, 1)
    if (this.#isCounted(item)) for (const node of nodes) node.size -= 1
    for (let node = nodes.pop(), above = nodes.at(-1); node !== undefined; node = nodes.pop(), above = nodes.at(-1)) {
      if (node.items.length > 0 || (node.entries?.size ?? 0) > 0) return
      above?.entries?.delete(firstName(node.run))
    }
  }

  /** The node of a path, if it has one. */
  at(path: string): Directory<A> | undefined {
    const place = this.#placeAt(path)
    return place && directoryAt(place)
  }

  /** The first result of `look` among the nodes above `path`, from the root down. */
  firstAbove<B>(path: string, look: (directory: Directory<A>, at: string) => B | undefined): B | undefined {
    let place: Place<A> | undefined = this.root
    let above = ""
    for (const name of componentsOf(path)) {
      const directory = directoryAt(place)
      const found = directory && look(directory, above)
      if (found !== undefined) return found
      place = entryOf(place, name)
      if (place === undefined) return undefined
      above += `/${name}`
    }
    return undefined
  }

  /** Visits each node at or below `path`. */
  below(path: string, visit: (directory: Directory<A>) => void): void {
    const place = this.#placeAt(path)
    const open = place === undefined ? [] : [place.directory]
    for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
      visit(directory)
      for (const entry of directory.entries?.values() ?? []) open.push(entry)
    }
  }

  /** Walks down as far as the tree has the path, and returns where it ends, the names left, and the nodes passed. */
  #walk(path: string) {
    const rest = componentsOf(path)
    const nodes = [this.root.directory]
    let place = this.root
    for (let [name] = rest; name !== undefined; [name] = rest) {
      const next = entryOf(place, name)
      if (next === undefined) break
      if (next.directory !== place.directory) nodes.push(next.directory)
      place = next
      rest.shift()
    }
    return { place, rest, nodes }
  }

  #placeAt(path: string): Place<A> | undefined {
    const { place, rest } = this.#walk(path)
    return rest.length === 0 ? place : undefined
  }
}

import { dirname } from "node:path"

/** What is set on a directory: mode, Unix group and quotas (space soft and hard, inodes soft and hard). */
export interface Settings {
  readonly mode: string
  readonly gid: number
  readonly quotas: ReadonlyArray<number> | null
}

interface Directory extends Settings {
  /** The mark of ownership: the `itemId` that the directory was created for. */
  readonly itemId: string
  readonly data: ReadonlyArray<string>
}

export type Disk = ReturnType<typeof aDisk>

/** A file system that a provisioner acts on: directories by path, and a trash. It outlives the provisioner. */
export const aDisk = () => {
  /** Directories of projects and users. */
  const directories = new Map<string, Directory>()
  /** Directories of tenants and customers. */
  const parents = new Set<string>(["/"])
  const trash = new Map<string, Directory>()
  /** All files that users ever wrote, by `itemId`. */
  const written = new Map<string, Array<string>>()
  /** Directories on which every operation fails, by `itemId`. */
  const broken = new Set<string>()

  const pathOf = (itemId: string) => [...directories].find(([, one]) => one.itemId === itemId)?.[0]
  const isFree = (path: string) => !directories.has(path) && !parents.has(path)
  const work = (itemId: string): void => {
    if (broken.has(itemId)) throw new Error(`the disk refuses to work on ${itemId}`)
  }
  const makeParent = (path: string): void => {
    for (let at = path; at !== "/"; at = dirname(at)) parents.add(at)
  }
  return {
    directories,
    parents,
    trash,
    written,
    broken,
    pathOf,
    isFree,
    makeParent,
    make: (path: string, itemId: string): void => {
      work(itemId)
      makeParent(dirname(path))
      directories.set(path, { itemId, mode: "700", gid: 0, quotas: null, data: [] })
    },
    move: (from: string, to: string): void => {
      const moved = directories.get(from)
      if (moved === undefined) throw new Error(`there is no ${from}`)
      work(moved.itemId)
      makeParent(dirname(to))
      directories.delete(from)
      directories.set(to, moved)
    },
    set: (path: string, settings: Settings): void => {
      const one = directories.get(path)
      if (one === undefined) throw new Error(`there is no ${path}`)
      work(one.itemId)
      directories.set(path, { ...one, ...settings })
    },
    moveToTrash: (path: string): void => {
      const one = directories.get(path)
      if (one === undefined) return
      work(one.itemId)
      directories.delete(path)
      trash.set(one.itemId, one)
    },
    takeBack: (itemId: string, to: string): void => {
      const one = trash.get(itemId)
      if (one === undefined) throw new Error(`the trash holds nothing of ${itemId}`)
      work(itemId)
      makeParent(dirname(to))
      trash.delete(itemId)
      directories.set(to, one)
    },
    /** The users of a directory write a file, if the directory exists. */
    write: (itemId: string, file: string): void => {
      const path = pathOf(itemId)
      const one = path === undefined ? undefined : directories.get(path)
      if (path === undefined || one === undefined) return
      directories.set(path, { ...one, data: [...one.data, file] })
      written.set(itemId, [...(written.get(itemId) ?? []), file])
    },
  }
}

/** Looks at the list and the disk as users do: writes data to new directories, and finds it again. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { StorageEntry } from "@cscs/storage-model"
import type { Site } from "./processes.ts"

export const dashed = (uuid: unknown): string =>
  String(uuid).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

/** Milliseconds in which the proxy returns a list, on a busy machine and while Waldur fails. */
const readTimeout = 60_000

/** The entries of projects and users; with `no-cache` read from Waldur just now. */
export const listed = async (
  { proxyUrl }: Site,
  cached: "no-cache" | "cached",
): Promise<ReadonlyArray<StorageEntry>> => {
  const headers = { Accept: "application/x-ndjson", ...(cached === "cached" ? {} : { "Cache-Control": cached }) }
  const signal = AbortSignal.timeout(readTimeout)
  const response = await fetch(`${proxyUrl}/api/storage-resources/`, { headers, signal })
  if (!response.ok) throw new Error(`The list is ${response.status}`)
  const lines = (await response.text()).trim().split("\n")
  return lines
    .map((line) => JSON.parse(line) as StorageEntry)
    .filter(({ target }) => target?.targetType === "project" || target?.targetType === "user")
}

export const observer = (site: Site) => {
  /** By itemId: the inode of the directory into which data was put. */
  const inodes = new Map<string, number>()
  return {
    inodes,
    look: (entries: ReadonlyArray<StorageEntry>): void => {
      for (const { itemId, status, mountPoint, permission } of entries) {
        const path = join(site.root, mountPoint.default)
        if (status !== "active" || inodes.has(itemId) || !existsSync(path)) continue
        const { mode, ino } = statSync(path)
        // A claim, which only root can use: the directory is about to be renamed to it.
        if ((mode & 0o7777) !== Number.parseInt(permission.value, 8) || existsSync(join(path, "data"))) continue
        writeFileSync(join(path, "data"), itemId)
        inodes.set(itemId, ino)
      }
    },
  }
}

/** Whose data is in a directory; empty if there is none. */
export const dataIn = (path: string): string =>
  existsSync(join(path, "data")) ? readFileSync(join(path, "data"), "utf8") : ""

/** What any change to a tree would alter. */
export const snapshot = (path: string): unknown =>
  [path, ...readdirSync(path, { recursive: true }).map((name) => join(path, String(name)))].map((one) => {
    const { ino, mode, uid, gid, mtimeMs, ctimeMs } = statSync(one)
    return { one, ino, mode, uid, gid, mtimeMs, ctimeMs }
  })

/** Directories of a system at the depth of entries, the trash, and everything that should not be there. */
export const onDisk = (site: Site, system: string) => {
  const entries: Array<string> = []
  const unexpected: Array<string> = []
  const walk = (path: string, depth: number) => {
    for (const one of readdirSync(join(site.root, path), { withFileTypes: true })) {
      const name = `${path}/${one.name}`
      if (name === `/${system}/.cscs-trash`) continue
      if (!one.isDirectory() || one.name.startsWith(".")) unexpected.push(name)
      else if (depth === 4) entries.push(name)
      else walk(name, depth + 1)
    }
  }
  walk(`/${system}`, 1)
  return { entries, unexpected, trash: readdirSync(join(site.root, system, ".cscs-trash")) }
}

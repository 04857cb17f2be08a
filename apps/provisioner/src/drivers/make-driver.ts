/** A driver from what is special to a storage system: every step that is the same for all of them, once. */
import { DateTime, Effect, RcMap, RcRef, type Scope, Semaphore } from "effect"
import { checkedQuotas, isSpace, roundedTo } from "../disk/amounts.ts"
import {
  componentsBelow,
  type Directory,
  type DirectoryStatus,
  isClaim,
  makeChild,
  namesIn,
  octal,
  openAbsolute,
  openBelow,
  openChild,
  renameInto,
  setOwnerAndMode,
  statusOf,
  sync,
} from "../disk/directory.ts"
import { readMark, writeMark } from "../disk/mark.ts"
import { openRegistry } from "../disk/registry.ts"
import {
  Conflict,
  type Driver,
  type DriverError,
  type Item,
  type Listed,
  type Observed,
  type Outcome,
  type QuotaKind,
  type Quotas,
  type Reader,
  Refused,
  type Trashed,
  UnknownOutcome,
  type Unlisted,
  type Whereabouts,
} from "./driver.ts"
import type { Place, QuotaSystem } from "./quota-system.ts"

/** In the root. No mount point has a hidden component. Mode 0700, so that no group reaches its removed data. */
const trashName = ".cscs-trash"
/** Project IDs that may be found in use by others, one after the other, before a person has to look. */
const mostForeignIds = 1000
/** UUIDs of items and orders, which become names: nothing that could be a path or end a name. */
const id = /^[0-9A-Za-z-]{1,64}$/
const greatestGid = 2 ** 32 - 2

/** The root and the trash, open. A root that is new has no trash while it is only read. */
interface Opened {
  readonly top: Directory
  readonly trash: Directory | null
}
interface ToWrite extends Opened {
  readonly trash: Directory
}
interface Found extends Directory {
  readonly status: DirectoryStatus
}
type Step<A> = Effect.Effect<A, DriverError, Scope.Scope>

interface RootSettings {
  /** Absolute, without symbolic links, this process's own and not writable for others. */
  readonly root: string
  /** The registry's file. Its directory must exist, unless the driver only reads. */
  readonly registry: string
}

/** Opens the root and its registry. */
export const makeDriver = (settings: RootSettings, system: QuotaSystem) => open(settings, system, false)

/** Opens them to look: nothing is made, and whatever would be written to the registry is refused. */
export const makeReader = (
  settings: RootSettings,
  system: QuotaSystem,
): Effect.Effect<Reader, DriverError, Scope.Scope> => open(settings, system, true)

const open = (
  { root, registry: registryPath }: RootSettings,
  system: QuotaSystem,
  isReader: boolean,
): Effect.Effect<Driver, DriverError, Scope.Scope> =>
  Effect.gen(function* () {
    const uid = process.geteuid?.() ?? 0
    if (!root.startsWith("/") || root.endsWith("/") || registryPath.startsWith(`${root}/`))
      return yield* new Refused({
        step: `root ${root}`,
        detail: "an absolute path is needed, and the registry outside of it",
      })
    const remembered = yield* openRegistry(registryPath, root)
    const onlyRead = (step: string) => new Refused({ step, detail: "the root is open to be read only" })
    const registry = isReader
      ? { ...remembered, put: (itemId: string) => Effect.fail(onlyRead(`remember ${itemId}`)) }
      : remembered
    /** For what several items share: project IDs, and directories above. */
    const alone = yield* Semaphore.make(1)

    const openRoot: Step<Opened> = Effect.gen(function* () {
      const step = `open root ${root}`
      const top = yield* openAbsolute(root)
      const detail = "it is missing: is the file system mounted?"
      if (top === null) return yield* new Refused({ step, detail })
      const trash = yield* openChild(top, trashName)
      if (trash !== null) return { top, trash }
      if (!registry.isEmpty())
        return yield* new Refused({ step, detail: `no ${trashName} in it: is the file system mounted?` })
      const { uid: owner, mode } = yield* statusOf(top)
      if (owner !== uid || (mode & 0o002) !== 0)
        return yield* new Refused({ step, detail: "it belongs to another user, or others may write it" })
      if (isReader) return { top, trash }
      yield* makeChild(top, trashName)
      const made = yield* openChild(top, trashName)
      if (made === null) return yield* new UnknownOutcome({ step, detail: `${trashName} has disappeared` })
      yield* sync(top)
      return { top, trash: made }
    })

    /** Opened anew unless another step has it open: a file system that was mounted or unmounted since is noticed. */
    const opened = yield* RcRef.make({ acquire: openRoot })

    /** The directory at a path; a claim counts as nothing. */
    const directoryAt = (top: Directory, path: string): Step<Found | null> =>
      Effect.gen(function* () {
        const found = yield* openBelow(top, yield* componentsBelow(root, path))
        return found === null ? null : yield* unlessClaim(found)
      })
    const unlessClaim = (directory: Directory): Effect.Effect<Found | null, DriverError> =>
      Effect.map(statusOf(directory), (status) => (isClaim(status) ? null : { ...directory, status }))

    /**
     * Directories by path, each open for as long as a look below it runs, so that looks beside each other open it once. Only for
     * looks: a step that changes something opens all anew.
     */
    const looked: RcMap.RcMap<string, Directory | null, DriverError> = yield* RcMap.make({
      lookup: (path: string) => (path === root ? Effect.map(RcRef.get(opened), ({ top }) => top) : openInLooked(path)),
    })
    const openInLooked = (path: string): Step<Directory | null> =>
      Effect.gen(function* () {
        const end = path.lastIndexOf("/")
        const parent = yield* RcMap.get(looked, path.slice(0, end))
        return parent === null ? null : yield* openChild(parent, path.slice(end + 1))
      })

    /** Whose directory it is, by the registry, else by its mark. */
    const ownerOf = (
      directory: Directory,
      { identity }: DirectoryStatus,
    ): Effect.Effect<string | null, DriverError> => {
      const known = registry.byIdentity(identity)
      return known === undefined ? readMark(directory) : Effect.succeed(known.itemId)
    }

    /** Before anything is changed: the mark, too, must not be another's. */
    const isOf = (directory: Directory, itemId: string): Effect.Effect<boolean, DriverError> =>
      Effect.gen(function* () {
        const { identity } = yield* statusOf(directory)
        const known = registry.byIdentity(identity)?.itemId
        const mark = yield* readMark(directory)
        return (known === undefined || known === itemId) && (mark === null ? known === itemId : mark === itemId)
      })

    /** The directory of this item at a path. `Conflict` if there is none, or another's. */
    const ownDirectory = (top: Directory, { itemId, path }: Item, step: string): Step<Directory> =>
      Effect.gen(function* () {
        const directory = yield* directoryAt(top, path)
        if (directory === null) return yield* new Conflict({ step, detail: "there is no directory" })
        if (!(yield* isOf(directory, itemId)))
          return yield* new Conflict({ step, detail: `the directory is not that of ${itemId}` })
        return directory
      })

    const inTrash = (
      trash: Directory | null,
      itemId: string,
    ): Step<(Trashed & { readonly directory: Directory }) | null> =>
      Effect.gen(function* () {
        if (trash === null) return null
        for (const one of (yield* namesIn(trash)).map(trashedOf)) {
          if (one?.itemId !== itemId) continue
          const directory = yield* openChild(trash, one.name)
          if (directory !== null && (yield* ownerOf(directory, yield* statusOf(directory))) === itemId)
            return { ...one, directory }
        }
        return null
      })

    /** By the last known path, then at `candidate`, then in the trash. */
    const whereabouts = ({ top, trash }: Opened, itemId: string, candidate?: string): Step<Whereabouts> =>
      Effect.gen(function* () {
        for (const path of new Set([registry.get(itemId)?.path, candidate])) {
          if (path === undefined) continue
          const directory = yield* directoryAt(top, path).pipe(
            // Something else is there: so it is not this item's.
            Effect.catchTag("Conflict", () => Effect.succeed(null)),
          )
          if (directory !== null && (yield* ownerOf(directory, directory.status)) === itemId)
            return { at: "path", path } as const
        }
        const removed = yield* inTrash(trash, itemId)
        if (removed === null) return { at: "nowhere" } as const
        const { name, order, since } = removed
        return { at: "trash", name, order, since } as const
      })

    const projectIdOf = (itemId: string, directory: Directory): Effect.Effect<number, DriverError> => {
      const range = system.projectIds
      const known = registry.get(itemId)?.projectId
      if (range === undefined || known !== undefined) return Effect.succeed(known ?? 0)
      return alone.withPermit(
        Effect.gen(function* () {
          const step = `project ID of ${itemId}`
          // The registry was lost: the directory is this item's by its mark, and so is its ID.
          const onDisk = yield* system.tiedTo?.(directory) ?? Effect.succeed(0)
          if (onDisk !== 0) {
            const other = registry.byProjectId(onDisk)?.itemId
            if (other !== undefined || onDisk < range.first || onDisk > range.last)
              return yield* new Conflict({
                step,
                detail: `the directory has ${onDisk}, which belongs to ${other ?? "another program"}`,
              })
            yield* registry.put(itemId, { projectId: onDisk })
            return onDisk
          }
          const start = Math.max(range.first, registry.highestProjectId() + 1)
          for (let next = start; next < start + mostForeignIds; next++) {
            if (next > range.last) return yield* new Refused({ step, detail: "none is left of those configured" })
            if (system.isFree !== undefined && !(yield* system.isFree(next))) continue
            yield* registry.put(itemId, { projectId: next })
            return next
          }
          const detail = `the ${mostForeignIds} from ${start} on are in use by others: configure another range`
          return yield* new Refused({ step, detail })
        }),
      )
    }

    const placeOf = (directory: Directory, { itemId, path }: Item): Effect.Effect<Place, DriverError> =>
      Effect.map(projectIdOf(itemId, directory), (projectId) => ({ itemId, directory, path, projectId, registry }))

    const { enforces, granularity } = system.capabilities
    const { normalise = (quotas: Quotas) => quotas } = system
    const storedAs = (quotas: Quotas): Quotas =>
      Object.fromEntries(
        enforces.flatMap((kind) => {
          const amount = normalise(quotas)[kind]
          return amount === undefined
            ? []
            : [[kind, roundedTo(isSpace(kind) ? granularity.bytes : granularity.inodes, amount)]]
        }),
      )
    const differing = (wanted: Quotas, found: Quotas): ReadonlyArray<string> =>
      (Object.entries(wanted) as ReadonlyArray<[QuotaKind, bigint]>)
        .filter(([kind, amount]) => found[kind] !== amount)
        .map(([kind, amount]) => `${kind} ${found[kind] ?? "unlimited"}, not ${amount}`)

    const applyQuotas = (place: Place, quotas: Quotas): Effect.Effect<Outcome, DriverError> =>
      Effect.gen(function* () {
        const wanted = storedAs(yield* checkedQuotas(quotas))
        const found = yield* system.readQuotas(place)
        if (differing(wanted, found).length === 0) return "unchanged"
        yield* system.setQuotas(place, normalise(yield* checkedQuotas({ ...found, ...wanted })))
        const wrong = differing(wanted, yield* system.readQuotas(place))
        if (wrong.length === 0) return "changed"
        return yield* new Conflict({ step: `quotas of ${place.path}`, detail: `read back: ${wrong.join("; ")}` })
      })

    /** A new directory under a hidden name, complete, and then renamed to its place. A leftover of a crash is used again. */
    const build = <A>(
      parent: Directory,
      [hidden, name]: readonly [string, string],
      make: (parent: Directory, name: string) => Effect.Effect<void, DriverError>,
      complete: (directory: Directory) => Effect.Effect<A, DriverError>,
    ): Step<Directory> =>
      Effect.gen(function* () {
        const step = `make ${parent.path}/${hidden}`
        if ((yield* openChild(parent, hidden)) === null) yield* make(parent, hidden)
        const made = yield* openChild(parent, hidden)
        if (made === null) return yield* new UnknownOutcome({ step, detail: "it has disappeared" })
        if ((yield* statusOf(made)).uid !== uid || (yield* namesIn(made)).length > 0)
          return yield* new Conflict({ step, detail: "something that is not an unfinished directory has its name" })
        yield* complete(made)
        yield* sync(made)
        yield* renameInto(made, [parent, hidden], [parent, name])
        return made
      })

    /** The directory above, made if it is missing. */
    const parentOf = (top: Directory, components: ReadonlyArray<string>): Step<Directory> =>
      Effect.gen(function* () {
        let parent = top
        for (const name of components.slice(0, -1)) parent = yield* alone.withPermit(folderIn(parent, name, 0o755))
        return parent
      })
    const folderIn = (parent: Directory, name: string, mode: number): Step<Directory> =>
      Effect.gen(function* () {
        const there = yield* openChild(parent, name)
        if (there !== null && !isClaim(yield* statusOf(there))) return there
        const { gid } = yield* statusOf(parent)
        return yield* build(parent, [".new-folder", name], makeChild, (made) =>
          setOwnerAndMode(made, { uid, gid: uid === 0 ? 0 : gid, mode }),
        )
      })

    const created = (top: Directory, { itemId, path, gid, mode, quotas }: Listed): Step<Outcome> =>
      Effect.gen(function* () {
        const components = yield* componentsBelow(root, path)
        const name = last(components)
        const parent = yield* parentOf(top, components)
        const open = (directory: Directory, place: Place) =>
          Effect.gen(function* () {
            if (quotas !== null) yield* applyQuotas(place, quotas)
            yield* setOwnerAndMode(directory, { uid, gid, mode })
          })
        const make = system.make ?? makeChild
        const made = yield* build(parent, [`.new-${itemId}`, name], make, (directory) =>
          Effect.gen(function* () {
            const place = yield* placeOf(directory, { itemId, path })
            yield* writeMark(directory, itemId)
            yield* system.tie?.(place) ?? Effect.void
            if (system.release === undefined) yield* open(directory, place)
            // Before it has its name: a crash in between leaves a directory that is known.
            yield* registry.put(itemId, { identity: (yield* statusOf(directory)).identity, path })
          }),
        )
        if (system.release !== undefined) yield* open(made, yield* placeOf(made, { itemId, path }))
        return "made" as Outcome
      })

    const checkedListed = ({ itemId, path, gid, mode, quotas }: Listed): Effect.Effect<void, Refused> => {
      const refused = (detail: string) => Effect.fail(new Refused({ step: `entry ${itemId} at ${path}`, detail }))
      if (!id.test(itemId)) return refused("its itemId is no UUID")
      if (!Number.isInteger(gid) || gid < 1 || gid > greatestGid) return refused(`the group ${gid} cannot be meant`)
      if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777)
        return refused("the mode is not one of four octal digits")
      return Effect.asVoid(checkedQuotas(quotas ?? {}))
    }

    /** The whole of a rename: what depends on the path is released first, and remembered last. */
    const renamed = (
      directory: Directory,
      item: Item,
      [from, name]: readonly [Directory, string],
      [to, newName]: readonly [Directory, string],
      path: string | null,
    ): Effect.Effect<Outcome, DriverError> =>
      Effect.gen(function* () {
        if (system.release !== undefined) yield* system.release(yield* placeOf(directory, item))
        yield* renameInto(directory, [from, name], [to, newName])
        yield* registry.put(item.itemId, { identity: (yield* statusOf(directory)).identity, path })
        return "changed" as Outcome
      })

    const observed = (directory: Found, item: Item): Effect.Effect<Observed, DriverError> =>
      Effect.gen(function* () {
        const { uid, gid, mode } = directory.status
        const itemId = yield* ownerOf(directory, directory.status)
        const isTied = itemId === item.itemId && (!system.projectIds || registry.get(itemId)?.projectId)
        const quotas = isTied ? yield* system.readQuotas(yield* placeOf(directory, item)) : {}
        return { uid, gid, mode, itemId, quotas }
      })

    const step = <A>(name: string, work: (opened: Opened) => Step<A>) =>
      Effect.scoped(Effect.flatMap(RcRef.get(opened), work)).pipe(Effect.withSpan(`${system.name}.${name}`))

    /** A step that changes something: refused by a reader. */
    const change = <A>(name: string, work: (opened: ToWrite) => Step<A>) =>
      step(name, ({ top, trash }) => (isReader || trash === null ? onlyRead(name) : work({ top, trash })))

    /** The directory of another program that is to be this item's. */
    const directoryToAdopt = (opened: Opened, listed: Listed): Step<Directory> =>
      Effect.gen(function* () {
        yield* checkedListed(listed)
        const { itemId, path, gid } = listed
        const about = `adopt ${path} for ${itemId}`
        const conflict = (detail: string) => new Conflict({ step: about, detail })
        const directory = yield* directoryAt(opened.top, path)
        if (directory === null) return yield* conflict("there is no directory")
        const { identity, gid: found } = directory.status
        const owner = registry.byIdentity(identity)?.itemId ?? itemId
        const mark = (yield* readMark(directory)) ?? itemId
        if (owner !== itemId || mark !== itemId)
          return yield* conflict(`it is the directory of ${owner === itemId ? mark : owner}`)
        const elsewhere = yield* whereabouts(opened, itemId)
        if (elsewhere.at !== "nowhere" && !(elsewhere.at === "path" && elsewhere.path === path))
          return yield* conflict(`its directory is ${elsewhere.at === "path" ? elsewhere.path : "in the trash"}`)
        if (found !== gid) return yield* conflict(`its group is ${found}, not ${gid}`)
        if (system.projectIds === undefined) {
          // Fails if its quota is another program's, or if it cannot have one.
          yield* system.readQuotas(yield* placeOf(directory, listed))
          return directory
        }
        const projectId = yield* system.tiedTo?.(directory) ?? Effect.succeed(0)
        const { first, last: highest } = system.projectIds
        if (projectId < first || projectId > highest)
          return yield* new Refused({
            step: about,
            detail: `its project ID is ${projectId}, not one from ${first} to ${highest}: give it one of its own, with all below it`,
          })
        const other = registry.byProjectId(projectId)?.itemId ?? itemId
        return other === itemId ? directory : yield* conflict(`its project ID ${projectId} is that of ${other}`)
      })

    /** What is in a directory above a listed one, and is neither. */
    const besides = (
      top: Directory,
      path: string,
      isListed: (path: string) => boolean,
    ): Step<ReadonlyArray<Unlisted>> =>
      Effect.gen(function* () {
        const directory = path === root ? top : yield* openBelow(top, yield* componentsBelow(root, path))
        if (directory === null) return []
        const found: Array<Unlisted> = []
        for (const name of yield* namesIn(directory)) {
          if (name.startsWith(".") || isListed(`${path}/${name}`)) continue
          const itemId = yield* Effect.scoped(
            Effect.gen(function* () {
              const child = yield* openChild(directory, name)
              return child === null ? null : yield* ownerOf(child, yield* statusOf(child))
            }),
          ).pipe(Effect.catchTag("Conflict", () => Effect.succeed(null)))
          found.push({ path: `${path}/${name}`, itemId })
        }
        return found
      })

    const driver: Driver = {
      name: system.name,
      root,
      capabilities: system.capabilities,

      look: (item, isShared) =>
        step("look", (opened) =>
          Effect.gen(function* () {
            const { itemId, path } = item
            const components = yield* componentsBelow(root, path)
            const directory = isShared ? yield* openInLooked(path) : yield* openBelow(opened.top, components)
            const found = directory === null ? null : yield* unlessClaim(directory)
            const atPath = found === null ? null : yield* observed(found, item)
            // A copy of a directory has its mark, too: where it is known to be comes first.
            const isThere = atPath?.itemId === itemId && (registry.get(itemId)?.path ?? path) === path
            return {
              whereabouts: isThere ? ({ at: "path", path } as const) : yield* whereabouts(opened, itemId, path),
              atPath,
            }
          }),
        ),

      ensureFolder: (path, mode) =>
        change("ensureFolder", ({ top }) =>
          Effect.gen(function* () {
            const components = yield* componentsBelow(root, path)
            if ((yield* directoryAt(top, path)) !== null) return "unchanged"
            const parent = yield* parentOf(top, components)
            yield* alone.withPermit(folderIn(parent, last(components), mode & 0o7777))
            return "made"
          }),
        ),

      ensureDirectory: (listed) =>
        change("ensureDirectory", (opened) =>
          Effect.gen(function* () {
            yield* checkedListed(listed)
            const { itemId, path, gid, mode, quotas } = listed
            const about = `directory of ${itemId} at ${path}`
            if ((yield* directoryAt(opened.top, path)) === null) {
              const elsewhere = yield* whereabouts(opened, itemId)
              if (elsewhere.at === "nowhere") return yield* created(opened.top, listed)
              const place = elsewhere.at === "path" ? elsewhere.path : "in the trash"
              return yield* new Conflict({ step: about, detail: `its directory is ${place}` })
            }
            const directory = yield* ownDirectory(opened.top, listed, about)
            yield* registry.put(itemId, { identity: (yield* statusOf(directory)).identity, path })
            // Quotas first: a directory whose quota could not be set before is still closed.
            const place = yield* placeOf(directory, listed)
            const ofQuotas = quotas === null ? "unchanged" : yield* applyQuotas(place, quotas)
            const ofOwner = yield* setOwnerAndMode(directory, { uid, gid, mode })
            return ofQuotas === "changed" ? ofQuotas : ofOwner
          }),
        ),

      ensureQuota: (item, quotas) =>
        change("ensureQuota", ({ top }) =>
          Effect.gen(function* () {
            const directory = yield* ownDirectory(top, item, `quotas of ${item.path}`)
            return yield* applyQuotas(yield* placeOf(directory, item), quotas)
          }),
        ),

      readBack: (item) =>
        step("readBack", ({ top }) =>
          Effect.gen(function* () {
            const directory = yield* directoryAt(top, item.path)
            return directory === null ? null : yield* observed(directory, item)
          }),
        ),

      differences: (listed, observed) => [
        ...(observed.uid === uid ? [] : [`owner ${observed.uid}, not ${uid}`]),
        ...(observed.gid === listed.gid ? [] : [`group ${observed.gid}, not ${listed.gid}`]),
        ...(observed.mode === listed.mode ? [] : [`mode ${octal(observed.mode)}, not ${octal(listed.mode)}`]),
        ...differing(storedAs(listed.quotas ?? {}), observed.quotas),
      ],

      trash: (item, order) =>
        change("trash", (opened) =>
          Effect.gen(function* () {
            const about = `trash ${item.itemId} at ${item.path}`
            if (!id.test(order) || !id.test(item.itemId))
              return yield* new Refused({ step: about, detail: "the itemId or order is no UUID" })
            if ((yield* inTrash(opened.trash, item.itemId)) !== null) return "unchanged"
            const components = yield* componentsBelow(root, item.path)
            const directory = yield* ownDirectory(opened.top, item, about)
            const parent = yield* openBelow(opened.top, components.slice(0, -1))
            if (parent === null)
              return yield* new UnknownOutcome({ step: about, detail: "the directory above is gone" })
            const since = DateTime.formatIsoDateUtc(yield* DateTime.now)
            const name = `${item.itemId}.${order}.${since}`
            const from = [parent, last(components)] as const
            return yield* renamed(directory, item, from, [opened.trash, name], null)
          }),
        ),

      restore: (item) =>
        change("restore", ({ top, trash }) =>
          Effect.gen(function* () {
            const about = `restore ${item.itemId} to ${item.path}`
            const there = yield* directoryAt(top, item.path)
            if (there !== null && (yield* isOf(there, item.itemId))) return "unchanged"
            const found = yield* inTrash(trash, item.itemId)
            if (found === null) return yield* new Conflict({ step: about, detail: "it is not in the trash" })
            const components = yield* componentsBelow(root, item.path)
            const to = [yield* parentOf(top, components), last(components)] as const
            return yield* renamed(found.directory, item, [trash, found.name], to, item.path)
          }),
        ),

      move: (item, from) =>
        change("move", ({ top }) =>
          Effect.gen(function* () {
            const about = `move ${item.itemId} from ${from} to ${item.path}`
            const there = yield* directoryAt(top, item.path)
            if (there !== null && (yield* isOf(there, item.itemId))) {
              yield* registry.put(item.itemId, { path: item.path })
              return "unchanged"
            }
            if (item.path.startsWith(`${from}/`))
              return yield* new Conflict({ step: about, detail: "the new place is in the directory itself" })
            const components = yield* componentsBelow(root, from)
            const directory = yield* ownDirectory(top, { ...item, path: from }, about)
            const parent = yield* openBelow(top, components.slice(0, -1))
            if (parent === null)
              return yield* new UnknownOutcome({ step: about, detail: "the directory above is gone" })
            const target = yield* componentsBelow(root, item.path)
            const to = [yield* parentOf(top, target), last(target)] as const
            const source = [parent, last(components)] as const
            return yield* renamed(directory, { ...item, path: from }, source, to, item.path)
          }),
        ),

      usage: (item) =>
        step("usage", ({ top }) =>
          Effect.gen(function* () {
            const directory = yield* directoryAt(top, item.path)
            if (directory === null || (yield* ownerOf(directory, directory.status)) !== item.itemId)
              return yield* new Conflict({ step: `usage of ${item.path}`, detail: "it is not this item's directory" })
            const place = yield* placeOf(directory, item)
            return { ...(yield* system.usage(place)), quotas: yield* system.readQuotas(place) }
          }),
        ),

      adoptable: (listed) => step("adoptable", (opened) => Effect.asVoid(directoryToAdopt(opened, listed))),

      adopt: (listed) =>
        change("adopt", (opened) =>
          Effect.gen(function* () {
            const { itemId, path } = listed
            const directory = yield* directoryToAdopt(opened, listed)
            const { identity } = yield* statusOf(directory)
            if (registry.byIdentity(identity)?.path === path && (yield* readMark(directory)) !== null)
              return "unchanged"
            yield* system.readQuotas(yield* placeOf(directory, listed))
            yield* writeMark(directory, itemId)
            yield* registry.put(itemId, { identity, path })
            return "changed"
          }),
        ),

      unlisted: (paths) =>
        step("unlisted", ({ top }) =>
          Effect.gen(function* () {
            const above = new Set([root])
            for (const path of paths) {
              const components = yield* componentsBelow(root, path).pipe(
                Effect.catchTag("Refused", () => Effect.succeed([])),
              )
              for (let count = 1; count < components.length; count++)
                above.add(`${root}/${components.slice(0, count).join("/")}`)
            }
            const isListed = (path: string) => paths.has(path) || above.has(path)
            const found = new Map<string, Unlisted>()
            for (const path of above)
              for (const one of yield* Effect.scoped(besides(top, path, isListed))) found.set(one.path, one)
            for (const { itemId, path } of registry.all()) {
              if (path === undefined || paths.has(path) || found.has(path)) continue
              const there = yield* Effect.scoped(directoryAt(top, path)).pipe(
                Effect.catchTag("Conflict", () => Effect.succeed(null)),
              )
              if (there !== null) found.set(path, { path, itemId })
            }
            return [...found.values()].toSorted((one, other) => (one.path < other.path ? -1 : 1))
          }),
        ),

      trashed: () =>
        step("trashed", ({ trash }) =>
          Effect.map(trash === null ? Effect.succeed([]) : namesIn(trash), (names) =>
            names.map(trashedOf).filter((one) => one !== null),
          ),
        ),
    }
    yield* Effect.scoped(Effect.flatMap(RcRef.get(opened), ({ top }) => system.check?.(top) ?? Effect.void))
    return driver
  })

const last = (components: ReadonlyArray<string>): string => components[components.length - 1] ?? ""

/** `<itemId>.<order>.<day>`, as `trash` names them; `null` for what else is there. */
const trashedOf = (name: string): Trashed | null => {
  const [itemId = "", order = "", since = "", rest] = name.split(".")
  return since === "" || rest !== undefined ? null : { name, itemId, order, since }
}

/**
 * Guards against a refresh that would lose too many entries of a storage system at once: its last good entries stay for
 * a while.
 */
import { cooperatively } from "@cscs/http-transport"
import {
  isOfResource,
  type ModelSettings,
  type ProtectedPath,
  type Skipped,
  type StorageEntry,
} from "@cscs/storage-model"
import { Effect } from "effect"
import { bytesOf, type Chunk, chunkOf, jsonLinesOf } from "../snapshot/entry-table.ts"
import type { GuardedSystem, InvisiblePath, Loss, Snapshot } from "../snapshot/snapshot.ts"
import { differingChunks, differingLines, entryIn } from "./list-changes.ts"

/** From so many live entries on, losing more than half of them is suspicious; with fewer, only losing all of them. */
const halfCountsFrom = 10

/** What happened to the live project and user entries of a system. */
export interface Fate {
  /** Entries of the last good list, plus those lost within the guard's time. */
  readonly before: number
  /** How many of these are no longer listed at their mount point, or listed as removed. */
  readonly vanished: number
  /** How many of these are listed as removing. */
  readonly removing: number
}

/**
 * Whether a loss is more likely an upstream fault than real: the last live entry vanishes, or fewer than half of at
 * least ten stay live. Fewer than ten may all turn to removing, since each of them has its own order. An entry removed
 * between two refreshes was never seen as removing, so it counts as vanished.
 */
export const isSuspiciousLoss = ({ before, vanished, removing }: Fate): boolean => {
  const left = before - vanished - removing
  return (vanished > 0 && left <= 0) || (before >= halfCountsFrom && left < before / 2)
}

/** A project or user entry, as the guard sees it. */
export interface ListedEntry {
  readonly itemId: string
  readonly mountPoint: string
  readonly status: string
}

const isLive = ({ status }: Pick<ListedEntry, "status">): boolean => status !== "removing" && status !== "removed"
const keyOf = ({ itemId, mountPoint }: Pick<ListedEntry, "itemId" | "mountPoint">) => `${itemId} ${mountPoint}`

/** Which entries of `before` are no longer live in `after`, and which earlier losses are not back. */
export const compareEntries = (
  before: Iterable<ListedEntry>,
  after: Iterable<ListedEntry>,
  earlier: ReadonlyArray<Loss>,
) => {
  const live = new Set<string>()
  const liveItems = new Set<string>()
  const removing = new Set<string>()
  for (const entry of after) {
    if (isLive(entry)) {
      live.add(keyOf(entry))
      liveItems.add(entry.itemId)
    } else if (entry.status === "removing") removing.add(keyOf(entry))
  }
  const lost: Array<Pick<Loss, "itemId" | "mountPoint" | "isRemoval">> = []
  for (const entry of before) {
    const { itemId, mountPoint, status } = entry
    if (!isLive(entry) || live.has(keyOf(entry))) continue
    // A provisioner gives a new resource its path during creation: the path before held no data.
    if (status === "pending" && liveItems.has(itemId)) continue
    lost.push({ itemId, mountPoint, isRemoval: removing.has(keyOf(entry)) })
  }
  return { lost, stillLost: earlier.filter((loss) => !live.has(keyOf(loss))) }
}

/** The tree of a refresh, before the guard has judged it. */
interface Tree {
  readonly chunks: ReadonlyArray<Chunk>
  readonly skipped: ReadonlyArray<Skipped>
  /** Number of Waldur's resources by offering slug. */
  readonly counts: ReadonlyMap<string, number>
}

/** The input of the guard. */
export interface Judged {
  readonly model: ModelSettings
  /** The last good list; `previousReadAt` is when its read began. */
  readonly previous: Snapshot | undefined
  readonly previousReadAt: number
  /** When the read of the tree began. All times are in steady milliseconds. */
  readonly readStartedAt: number
  /** How long entries stay, and how long losses add up, in milliseconds; 0 disables the guard. */
  readonly emptyGuard: number
}

const systemOf = ({ facets }: Chunk): string | undefined => facets[0]?.offeringSlug

/** The chunks of one storage system. */
export const chunksOf = (chunks: ReadonlyArray<Chunk>, offeringSlug: string): ReadonlyArray<Chunk> =>
  chunks.filter((chunk) => systemOf(chunk) === offeringSlug)

/**
 * Judges what a refresh would lose, per system, over all losses within the guard's time, so that slow losses count too.
 * Reads only chunks that changed. Skips systems that are no longer configured.
 */
export const judgeLosses = Effect.fnUntraced(function* (
  tree: Tree,
  judged: Judged,
): Effect.fn.Return<{ readonly guarded: ReadonlyArray<GuardedSystem>; readonly losses: ReadonlyArray<Loss> }> {
  const { model, previous, emptyGuard } = judged
  const guarded: Array<GuardedSystem> = []
  const losses: Array<Loss> = []
  if (previous === undefined || emptyGuard <= 0) return { guarded, losses }
  const [goneChunks, addedChunks] = differingChunks(previous.entries.chunks, tree.chunks)
  for (const { offeringSlug } of model.storageSystems) {
    const [gone, added] = yield* differingLines(chunksOf(goneChunks, offeringSlug), chunksOf(addedChunks, offeringSlug))
    const before = yield* listedInLines(gone)
    const after = yield* listedInLines(added)

    const guard = previous.guarded.find((one) => one.offeringSlug === offeringSlug)
    // A time in the future is from another process, whose clock is ahead. It counts as now, or the guard would never end.
    const since = Math.min(guard?.since ?? judged.readStartedAt, judged.readStartedAt)
    const earlier = previous.losses
      .filter((loss) => loss.offeringSlug === offeringSlug && loss.at > since - emptyGuard)
      .map((loss) => ({ ...loss, at: Math.min(loss.at, judged.readStartedAt) }))
    const { lost, stillLost } = compareEntries(before, after, earlier)

    // By resource: one that moved counts as lost at its old path, and its new path does not make up for it.
    const stillLostItems = new Set(stillLost.map(({ itemId }) => itemId))
    const all = new Map([...stillLost, ...lost].map(({ itemId, isRemoval }) => [itemId, isRemoval]))
    if (all.size === 0) continue
    const removing = [...all.values()].filter((isRemoval) => isRemoval).length
    const fate = {
      before: chunksOf(previous.entries.chunks, offeringSlug).reduce(
        (sum, chunk) => sum + liveIn(chunk, stillLostItems),
        stillLostItems.size,
      ),
      vanished: all.size - removing,
      removing,
    }
    // A suspicious loss after the guard's time is accepted, and neither it nor what was lost before counts from then on. A list
    // that only grows loses nothing, although what it lost before may count by now that it has ten entries.
    if (lost.length === 0 || !isSuspiciousLoss(fate))
      losses.push(...stillLost, ...lost.map((loss) => ({ ...loss, offeringSlug, at: judged.readStartedAt })))
    else if (judged.readStartedAt - since < emptyGuard) {
      losses.push(...earlier)
      guarded.push({
        offeringSlug,
        since,
        readAt: Math.min(guard?.readAt ?? judged.previousReadAt, since),
        before: fate.before,
        now: fate.before - all.size,
        why: whyLost(offeringSlug, tree, previous, fate),
      })
    }
  }
  return { guarded, losses }
})

const liveCounts = new WeakMap<Chunk, number>()

/** Number of live project and user entries, except `but`; counted once for each chunk if there is no exception. */
const liveIn = (chunk: Chunk, but: ReadonlySet<string>): number => {
  const known = but.size === 0 ? liveCounts.get(chunk) : undefined
  const count = known ?? countLive(chunk, but)
  if (but.size === 0) liveCounts.set(chunk, count)
  return count
}

const countLive = ({ facets, facetsAt, resources }: Chunk, but: ReadonlySet<string>): number => {
  // A chunk is of one part of the tree, in which only the first entry can be a tenant or a customer.
  const first = facetsAt.length - resources.length
  return resources.filter((uuid, index) => {
    const facet = facets[facetsAt[first + index] ?? 0]
    return facet !== undefined && isLive(facet) && !but.has(uuid)
  }).length
}

const listedInLines = Effect.fnUntraced(function* (lines: Iterable<string>) {
  const list: Array<ListedEntry> = []
  yield* cooperatively(lines, (line) => {
    const entry = entryIn(line)
    if (isOfResource(entry)) list.push(listed(entry))
  })
  return list
})

const listedIn = Effect.fnUntraced(function* (chunks: ReadonlyArray<Chunk>) {
  const list: Array<ListedEntry> = []
  yield* cooperatively(chunks, (chunk) => {
    for (const entry of entriesOf(chunk)) if (isOfResource(entry)) list.push(listed(entry))
  })
  return list
})

const entriesOf = (chunk: Chunk): ReadonlyArray<StorageEntry> => jsonLinesOf(chunk).map(entryIn)
const listed = ({ itemId, mountPoint, status }: StorageEntry): ListedEntry => ({
  itemId,
  mountPoint: mountPoint.default,
  status,
})

/** How many reasons are named, the most frequent first: more would hide them. */
const reasonsNamed = 3

const whyLost = (slug: string, { skipped, counts }: Tree, previous: Snapshot, { vanished, removing }: Fate): string => {
  const codes = new Map<string, number>()
  for (const { offering_slug, code } of skipped) {
    if (offering_slug === slug) codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  const leading = [...codes].sort(([, a], [, b]) => b - a).slice(0, reasonsNamed)
  return [
    `${vanished} vanish and ${removing} turn to removing`,
    `Waldur shows ${counts.get(slug) ?? 0} resources of ${slug} where it showed ${previous.counts.get(slug) ?? 0}`,
    ...(leading.length === 0 ? [] : [`skipped: ${leading.map(([code, count]) => `${code} ${count}`).join(", ")}`]),
  ].join("; ")
}

/**
 * The last good chunks of a system, as a guard keeps them. An old list must trigger no action. So callback URLs are
 * dropped, and so are removals that may be wrong by now: those among the earlier losses that add up with the suspicious one,
 * since the same fault may be their cause; those of a resource that the refresh shows as live; and those at a directory
 * that is in use, or contains one in use, by the last good list or the refresh.
 *
 * @param current the refresh's own chunks, of all systems
 * @param protects why the refresh would not let a directory be removed; `undefined` if it would
 */
export const keptChunks = Effect.fnUntraced(function* (
  previous: Snapshot,
  offeringSlug: string,
  current: ReadonlyArray<Chunk>,
  protects: (path: string) => string | undefined,
): Effect.fn.Return<ReadonlyArray<Chunk>> {
  const chunks = chunksOf(previous.entries.chunks, offeringSlug)
  const shown = yield* listedIn(current)
  const liveItems = new Set(shown.filter(isLive).map(({ itemId }) => itemId))
  const lost = new Set(previous.losses.filter((loss) => loss.offeringSlug === offeringSlug).map(keyOf))
  const lived = new Set<string>()
  for (const path of yield* livePathsIn(chunks)) {
    for (let at = path; at !== "" && !lived.has(at); at = at.slice(0, at.lastIndexOf("/"))) lived.add(at)
  }
  const isDoubtful = (entry: ListedEntry) =>
    !isLive(entry) &&
    (lost.has(keyOf(entry)) ||
      liveItems.has(entry.itemId) ||
      lived.has(entry.mountPoint) ||
      protects(entry.mountPoint) !== undefined)
  const kept: Array<Chunk> = []
  yield* cooperatively(chunks, (chunk) => {
    const left = strippedChunk(chunk, isDoubtful)
    if (left.facetsAt.length > 0) kept.push(left)
  })
  return kept
})

const callbackUrl = /_url$/

/** A chunk without callback URLs and without some of its entries; the same chunk if nothing changes. */
const strippedChunk = (chunk: Chunk, isSkipped: (entry: ListedEntry) => boolean): Chunk => {
  const { facets, facetsAt, resources } = chunk
  const lines: Array<string> = []
  const at: Array<number> = []
  const gone = new Set<string>()
  for (const [index, entry] of entriesOf(chunk).entries()) {
    if (isOfResource(entry) && isSkipped(listed(entry))) {
      gone.add(entry.itemId)
      continue
    }
    lines.push(
      `${JSON.stringify(Object.fromEntries(Object.entries(entry).filter(([key]) => !callbackUrl.test(key))))}\n`,
    )
    at.push(facetsAt[index] ?? 0)
  }
  const made = chunkOf({
    bytes: bytesOf(lines.join("")),
    facets,
    facetsAt: Uint8Array.from(at),
    resources: resources.filter((uuid) => !gone.has(uuid)),
  })
  return made.digest === chunk.digest ? chunk : made
}

/** The mount points of live project and user entries. */
export const livePathsIn = (chunks: ReadonlyArray<Chunk>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(listedIn(chunks), (entries) => entries.filter(isLive).map(({ mountPoint }) => mountPoint))

/** The known paths of live entries of invisible offerings. */
export const invisiblePathsOf = Effect.fnUntraced(function* (
  previous: Snapshot | undefined,
  invisibleOfferings: ReadonlyArray<string>,
): Effect.fn.Return<ReadonlyArray<InvisiblePath>> {
  if (previous === undefined) return []
  const paths: Array<InvisiblePath> = []
  for (const offeringSlug of invisibleOfferings) {
    const known = new Set<string>()
    for (const one of previous.invisiblePaths) if (one.offeringSlug === offeringSlug) known.add(one.path)
    for (const path of yield* livePathsIn(chunksOf(previous.entries.chunks, offeringSlug))) known.add(path)
    for (const path of known) paths.push({ offeringSlug, path })
  }
  return paths
})

/** A path that is protected because a guard keeps its entry, or because its offering is invisible. */
export const protectedBy = ({ offeringSlug, path }: InvisiblePath): ProtectedPath => ({
  path,
  by: `an entry of ${offeringSlug} that the last good list had`,
})

/** What no removal beside a snapshot's entries may touch: the live paths of invisible offerings and of guarded systems. */
export const protectedIn = Effect.fnUntraced(function* ({ entries, guarded, invisiblePaths }: Snapshot) {
  const all = invisiblePaths.map(protectedBy)
  for (const { offeringSlug } of guarded) {
    const live = yield* livePathsIn(chunksOf(entries.chunks, offeringSlug))
    for (const path of live) all.push(protectedBy({ offeringSlug, path }))
  }
  return all
})

/** The operator's message for a guarded system; `now` in steady milliseconds. */
export const guardedInWords = (system: GuardedSystem, now: number): string => {
  const { offeringSlug, since, readAt, before, now: left, why } = system
  const seconds = (time: number) => Math.max(0, Math.round((now - time) / 1000))
  return `A refresh would leave ${left} of ${before} live entries of ${offeringSlug} (${why}); the last good ones stay for cache.empty_guard, guarded for ${seconds(since)} s, read ${seconds(readAt)} s ago: find the cause, or start with cache.empty_guard 0s if it is right`
}

import { cooperatively } from "@cscs/http-transport"
import type { ModelSettings, ProtectedPath, Skipped, StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import { type Chunk, chunkOf, jsonLinesOf } from "../snapshot/entry-table.ts"
import type { GuardedSystem, InvisiblePath, Loss, Snapshot } from "../snapshot/snapshot.ts"

/** Below so many live entries, half of them can go at once and nothing is odd about it. */
const oddFrom = 10

/** What became of the live project and user entries of a system. */
export interface Fate {
  /** Those of the last good list, and those lost since within the guard's time. */
  readonly before: number
  /** Of these: no longer listed at their mount point, or as removed. */
  readonly vanished: number
  /** Of these: listed as removing. */
  readonly removing: number
}

/**
 * Whether a loss is more likely a fault upstream than the truth: the last live entry vanishes, or of at least ten less
 * than half stay live. Fewer than ten may all turn to removing: each has an order of its own. One that is removed from
 * one refresh to the next has none that was ever seen, so it counts as vanished.
 */
export const isOddLoss = ({ before, vanished, removing }: Fate): boolean => {
  const left = before - vanished - removing
  return (vanished > 0 && left <= 0) || (before >= oddFrom && left < before / 2)
}

/** A project or user entry as the guard looks at it. */
export interface ListedEntry {
  readonly itemId: string
  readonly mountPoint: string
  readonly status: string
}

const isLive = ({ status }: Pick<ListedEntry, "status">): boolean => status !== "removing" && status !== "removed"
const keyOf = ({ itemId, mountPoint }: Pick<ListedEntry, "itemId" | "mountPoint">) => `${itemId} ${mountPoint}`

/** What of the entries before is no longer live after; and which of those lost earlier are not back. */
export const compareEntries = (
  before: Iterable<ListedEntry>,
  after: Iterable<ListedEntry>,
  lostEarlier: ReadonlyArray<Loss>,
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
    // A provisioner gives a new resource its path while it is created: nothing lay at the one before.
    if (status === "pending" && liveItems.has(itemId)) continue
    lost.push({ itemId, mountPoint, isRemoval: removing.has(keyOf(entry)) })
  }
  return { lost, stillLost: lostEarlier.filter((loss) => !live.has(keyOf(loss))) }
}

/** The tree of a refresh before the guard has judged it. */
interface Tree {
  readonly chunks: ReadonlyArray<Chunk>
  readonly skipped: ReadonlyArray<Skipped>
  /** Waldur's resources by offering slug. */
  readonly counts: ReadonlyMap<string, number>
}

/** What the guard judges by. */
export interface Judged {
  readonly model: ModelSettings
  /** The last good list, and when the read began that gave it. */
  readonly previous: Snapshot | undefined
  readonly previousReadAt: number
  /** When the read of the tree began. All times in steady milliseconds. */
  readonly readStartedAt: number
  /** How long entries stay, and for how long losses add up, in milliseconds; 0: nothing is guarded. */
  readonly emptyGuard: number
}

const systemOf = ({ facets }: Chunk): string | undefined => facets[0]?.offeringSlug

/** The chunks of one storage system. */
export const chunksOf = (chunks: ReadonlyArray<Chunk>, offeringSlug: string): ReadonlyArray<Chunk> =>
  chunks.filter((chunk) => systemOf(chunk) === offeringSlug)

/**
 * Judges what a refresh would lose, system by system, over all losses within the guard's time: a slow loss is one too.
 * Reads only chunks that changed. A system that is not configured any more is not judged.
 */
export const judgeLosses = Effect.fnUntraced(function* (
  tree: Tree,
  judged: Judged,
): Effect.fn.Return<{ readonly guarded: ReadonlyArray<GuardedSystem>; readonly losses: ReadonlyArray<Loss> }> {
  const { model, previous, emptyGuard } = judged
  const guarded: Array<GuardedSystem> = []
  const losses: Array<Loss> = []
  if (previous === undefined || emptyGuard <= 0) return { guarded, losses }
  const kept = new Set(previous.entries.chunks.map(({ digest }) => digest))
  const made = new Set(tree.chunks.map(({ digest }) => digest))
  for (const { offeringSlug } of model.storageSystems) {
    const chunksBefore = chunksOf(previous.entries.chunks, offeringSlug)
    const before = yield* listedIn(chunksBefore.filter(({ digest }) => !made.has(digest)))
    const after = yield* listedIn(chunksOf(tree.chunks, offeringSlug).filter(({ digest }) => !kept.has(digest)))

    const guard = previous.guarded.find((one) => one.offeringSlug === offeringSlug)
    // A time of the future is of a clock that was set back since: it counts as now, lest the guard never end.
    const since = Math.min(guard?.since ?? judged.readStartedAt, judged.readStartedAt)
    const lostEarlier = previous.losses
      .filter((loss) => loss.offeringSlug === offeringSlug && loss.at > since - emptyGuard)
      .map((loss) => ({ ...loss, at: Math.min(loss.at, judged.readStartedAt) }))
    const { lost, stillLost } = compareEntries(before, after, lostEarlier)

    // By resource: one that moved is lost where it was, and live elsewhere is no gain that makes up for it.
    const lostBefore = new Set(stillLost.map(({ itemId }) => itemId))
    const all = new Map([...stillLost, ...lost].map(({ itemId, isRemoval }) => [itemId, isRemoval]))
    const removing = [...all.values()].filter((isRemoval) => isRemoval).length
    const fate = {
      before: chunksBefore.reduce((sum, chunk) => sum + liveIn(chunk, lostBefore), lostBefore.size),
      vanished: all.size - removing,
      removing,
    }
    if (!isOddLoss(fate))
      losses.push(...stillLost, ...lost.map((loss) => ({ ...loss, offeringSlug, at: judged.readStartedAt })))
    else if (judged.readStartedAt - since < emptyGuard) {
      losses.push(...lostEarlier)
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

/** Live project and user entries but some. */
const liveIn = ({ facets, facetsAt, resources }: Chunk, but: ReadonlySet<string>): number => {
  // A tenant or customer stands before what is below it.
  const first = facetsAt.length - resources.length
  return resources.filter((uuid, index) => {
    const facet = facets[facetsAt[first + index] ?? 0]
    return facet !== undefined && isLive(facet) && !but.has(uuid)
  }).length
}

const listedIn = Effect.fnUntraced(function* (chunks: ReadonlyArray<Chunk>) {
  const list: Array<ListedEntry> = []
  yield* cooperatively(chunks, (chunk) => {
    for (const entry of entriesOf(chunk)) if (isResource(entry)) list.push(listed(entry))
  })
  return list
})

const entriesOf = (chunk: Chunk): ReadonlyArray<StorageEntry> =>
  jsonLinesOf(chunk).map((line) => JSON.parse(line) as StorageEntry)
const isResource = ({ target }: StorageEntry) => target.targetType === "project" || target.targetType === "user"
const listed = ({ itemId, mountPoint, status }: StorageEntry): ListedEntry => ({
  itemId,
  mountPoint: mountPoint.default,
  status,
})

/** Reasons that are named, the most frequent first: more would hide them. */
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
 * The last good chunks of a system as a guard keeps them. Nobody acts on an old list: so without callback URLs, and without
 * removals that are in doubt, which are those that are a part of the loss itself, those of a resource that the refresh
 * shows as live, and those at a directory in which somebody lives by now.
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

/** A chunk without callback URLs and some of its entries; the same one if that changes nothing. */
const strippedChunk = (chunk: Chunk, isLeftOut: (entry: ListedEntry) => boolean): Chunk => {
  const { facets, facetsAt, resources } = chunk
  const lines: Array<string> = []
  const at: Array<number> = []
  const gone = new Set<string>()
  for (const [index, entry] of entriesOf(chunk).entries()) {
    if (isResource(entry) && isLeftOut(listed(entry))) {
      gone.add(entry.itemId)
      continue
    }
    lines.push(
      `${JSON.stringify(Object.fromEntries(Object.entries(entry).filter(([key]) => !callbackUrl.test(key))))}\n`,
    )
    at.push(facetsAt[index] ?? 0)
  }
  const made = chunkOf({
    bytes: Buffer.from(lines.join("")),
    facets,
    facetsAt: Uint8Array.from(at),
    resources: resources.filter((uuid) => !gone.has(uuid)),
  })
  return made.digest === chunk.digest ? chunk : made
}

/** The mount points of live project and user entries. */
export const livePathsIn = (chunks: ReadonlyArray<Chunk>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(listedIn(chunks), (entries) => entries.filter(isLive).map(({ mountPoint }) => mountPoint))

/** Where live entries of invisible offerings are, as far as was ever known. */
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

/** What protects paths of entries that a guard keeps, or whose offering is invisible, in words. */
export const protectedBy = (offeringSlug: string, path: string): ProtectedPath => ({
  path,
  by: `an entry of ${offeringSlug} that the last good list had`,
})

/** What an operator is told of a guarded system; `now` in steady milliseconds. */
export const guardedInWords = (system: GuardedSystem, now: number): string => {
  const { offeringSlug, since, readAt, before, now: left, why } = system
  const seconds = (time: number) => Math.max(0, Math.round((now - time) / 1000))
  return `A refresh would leave ${left} of ${before} live entries of ${offeringSlug} (${why}); the last good ones stay for cache.empty_guard, guarded for ${seconds(since)} s, read ${seconds(readAt)} s ago: find the cause, or start with cache.empty_guard 0s if it is right`
}

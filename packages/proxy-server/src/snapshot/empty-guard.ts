import type { ModelSettings, Skipped, Warning } from "@cscs/storage-model"
import type { Chunk } from "./entry-table.ts"
import type { GuardedSystem, Snapshot } from "./snapshot.ts"

interface Tree {
  readonly chunks: ReadonlyArray<Chunk>
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
  /** Waldur's resources by offering slug. */
  readonly counts: ReadonlyMap<string, number>
}

/** Fewer resources than these can go at once, and nothing is odd about it. */
const oddFrom = 10

/**
 * Whether so many resources are gone that it is more likely that our user lost a role than that groups gave up their
 * storage: all of them, or more than half of at least ten.
 */
export const isOddLoss = (before: number, now: number): boolean =>
  (now === 0 && before > 0) || (before >= oddFrom && now < before / 2)

/** What a system's loss is judged by. */
interface Judged {
  readonly model: ModelSettings
  readonly previous: Snapshot | undefined
  /** Milliseconds since 1970. */
  readonly takenAt: number
  /** How long entries stay, in milliseconds. */
  readonly emptyGuard: number
}

/** The systems of which Waldur suddenly shows far fewer resources, for as long as that is not taken for the truth. */
export const oddLosses = (
  counts: ReadonlyMap<string, number>,
  { model, previous, takenAt, emptyGuard }: Judged,
): ReadonlyArray<GuardedSystem> =>
  model.storageSystems.flatMap(({ offeringSlug }) => {
    const before = previous?.counts.get(offeringSlug) ?? 0
    const now = counts.get(offeringSlug) ?? 0
    const since = previous?.guarded.find((one) => one.offeringSlug === offeringSlug)?.since ?? takenAt
    return isOddLoss(before, now) && takenAt - since < emptyGuard ? [{ offeringSlug, since, before, now }] : []
  })

/**
 * The tree with the last good entries in the place of those of a system that lost its resources oddly: a provisioner
 * takes what is not listed for removed, and data that is gone does not come back.
 */
export const guardedTree = (tree: Tree, judged: Judged): Tree & { readonly guarded: ReadonlyArray<GuardedSystem> } => {
  const { model, previous } = judged
  const guarded = oddLosses(tree.counts, judged)
  if (previous === undefined || guarded.length === 0) return { ...tree, guarded }

  const isGuarded = (slug: string | null | undefined) => guarded.some(({ offeringSlug }) => offeringSlug === slug)
  const either = <A>(
    old: ReadonlyArray<A>,
    current: ReadonlyArray<A>,
    slugOf: (one: A) => string | null | undefined,
  ): ReadonlyArray<A> => [
    ...current.filter((one) => !isGuarded(slugOf(one))),
    ...old.filter((one) => isGuarded(slugOf(one))),
  ]
  const bySystem = Map.groupBy(either(previous.entries.chunks, tree.chunks, systemOf), systemOf)
  return {
    // In the order of the list: systems as configured.
    chunks: model.storageSystems.flatMap(({ offeringSlug }) => bySystem.get(offeringSlug) ?? []),
    skipped: either(previous.skipped, tree.skipped, ({ offering_slug }) => offering_slug),
    warnings: either(previous.warnings, tree.warnings, ({ offering_slug }) => offering_slug),
    counts: new Map([...tree.counts, ...guarded.map(({ offeringSlug, before }) => [offeringSlug, before] as const)]),
    guarded,
  }
}

const systemOf = ({ facets }: Chunk): string | undefined => facets[0]?.offeringSlug

/** What an operator is told of a guarded system. */
export const guardedInWords = ({ offeringSlug, since, before, now }: GuardedSystem): string =>
  `Waldur shows ${now} resources of ${offeringSlug} where it showed ${before}; the last good entries stay (since ${new Date(since).toISOString()}, for cache.empty_guard): see whether our user still has its role`

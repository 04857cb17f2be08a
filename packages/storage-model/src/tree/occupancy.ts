/** Tracks which directories hold data and so must not be removed. Considers all records, since skipped ones have data too. */
import { shown } from "../report/finding.ts"
import { dataTypesNamedBy } from "../rules/data-type.ts"
import { isRemoval, mayBeLive, stateOf } from "../rules/lifecycle.ts"
import { anyName, normalizedPath, type PathRule, pathsReadIn } from "../rules/mount-path.ts"
import { isRefusal } from "../rules/ruling.ts"
import { property } from "../waldur/json-object.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { componentsOf, type Directory, DirectoryTree, directoryAt, entryOf, type Place } from "./directory-tree.ts"
import { compare } from "./order.ts"
import { isFromWaldur, type PlacedResource } from "./place.ts"
import { isRegion, literalPaths, recordMayBeLive, whereaboutsOf } from "./whereabouts.ts"

/** A directory that must not be removed although no resource in the tree shows it. */
export interface ProtectedPath {
  readonly path: string
  /** A description of its owner, for findings. */
  readonly by: string
}

/** Queries about directories that hold data, and about the directories of all resources. */
export interface Occupancy {
  /** Describes what else is live at `path`; `undefined` if nothing is. */
  readonly othersAt: (path: string, self: string) => string | undefined
  /** Why the directory `path` must not be removed; `undefined` if it may be removed. */
  readonly against: (path: string) => string | undefined
  /** Describes the directory that contains `path` and is or may be live; `undefined` if there is none. */
  readonly around: (path: string) => string | undefined
  /** Describes the resource, live or not, whose directory is or contains `path`; `undefined` if there is none. */
  readonly ownerOf: (path: string) => string | undefined
}

/** A directory that a record claims, and how. */
export interface Claim {
  readonly path: string
  readonly claimant: string
  /**
   * `live`: the record is certainly live there; `possible`: its data may be there; `region`: the path has `*` for each
   * unknown name; `former`: it has the directory, but no data that must stay.
   */
  readonly kind: "live" | "possible" | "region" | "former"
  /** Whether the record names the directory as its own. */
  readonly owns: boolean
}

// A path of one component is not a mount point, so no resource owns a whole file system.
const mayBeOwned = (path: string) => path.includes("/", 1)

const possibleClaim = (path: string, claimant: string, owns: boolean): Claim =>
  isRegion(path)
    ? { path, claimant, kind: "region", owns: false }
    : { path, claimant, kind: "possible", owns: owns && mayBeOwned(path) }

const claimsOf = (record: unknown, claimant: string, rule: PathRule) => {
  const { paths, others } = whereaboutsOf(record, rule)
  return {
    own: paths.map((path) => possibleClaim(path, claimant, true)),
    others: others.map((path) => possibleClaim(path, claimant, false)),
  }
}

/**
 * The claims of a resource in the tree.
 *
 * @param isContested whether the paths of all records with its UUID are protected
 */
export const claimsOfPlaced = (
  { state: { value: state }, path, dataType, resource }: PlacedResource,
  isContested: boolean,
  rule: PathRule,
): ReadonlyArray<Claim> => {
  const { uuid } = resource
  const place = isRefusal(path) ? undefined : path.value
  const claimOn = (at: string, kind: "live" | "former"): Claim => ({
    path: at,
    claimant: uuid,
    kind,
    owns: mayBeOwned(at),
  })
  if (!mayBeLive(state, resource.order_in_progress) && !isContested) {
    return place === undefined ? [] : [claimOn(place, "former")]
  }
  if (place === undefined) {
    const { own, others } = claimsOf(resource, uuid, rule)
    return [...own, ...others]
  }
  const claims = [isRemoval(state) ? possibleClaim(place, uuid, true) : claimOn(place, "live")]
  if (isFromWaldur(path)) return claims
  for (const read of pathsReadIn(resource.backend_id)) claims.push(possibleClaim(read, uuid, true))
  const types = dataTypesNamedBy(resource)
  types.delete(dataType.value)
  for (const other of literalPaths(resource, types)) claims.push(possibleClaim(other, uuid, false))
  return claims
}

/** The claims of a record without a place in the tree. */
export const claimsOfUnplaced = (record: unknown, isContested: boolean, rule: PathRule): ReadonlyArray<Claim> => {
  const uuid = dashedUuid(property(record, "uuid"))
  const isLive = recordMayBeLive(record)
  if (!isLive && !isContested) return []
  const claimant = uuid ?? "a resource with an invalid record"
  const { own, others } = claimsOf(record, claimant, rule)
  const [one] = own
  const isCertain = one !== undefined && own.length + others.length === 1
  if (isCertain && isLive && !isRemoval(stateOf(property(record, "state")))) return [{ ...one, kind: "live" }]
  return [...own, ...others]
}

/** The claims of a directory that no resource shows. */
export const claimsOfProtected = ({ path, by }: ProtectedPath): ReadonlyArray<Claim> => {
  const claimant = String(shown(by))
  const normalized = normalizedPath(path)
  const paths = normalized === undefined || normalized === "/" ? [] : [normalized]
  return [...paths, ...pathsReadIn(path)].map((one) => possibleClaim(one, claimant, true))
}

/** What the claims on one directory amount to: of each kind the one with the least claimant, whatever their order. */
interface Summary {
  readonly live: Claim | undefined
  /** The one with the next claimant that is live: for the claimant of `live` it is the other one. */
  readonly next: Claim | undefined
  /** Number of claimants that are live; meaningless without `live`. */
  readonly lives: number
  readonly possible: Claim | undefined
  readonly region: Claim | undefined
  readonly owner: Claim | undefined
}

const leastClaim = (a: Claim | undefined, b: Claim): Claim =>
  a === undefined || (compare(b.claimant, a.claimant) || compare(b.path, a.path)) < 0 ? b : a

const summaryOf = (claims: ReadonlyArray<Claim>): Summary => {
  let live: Claim | undefined
  let possible: Claim | undefined
  let region: Claim | undefined
  let owner: Claim | undefined
  for (const claim of claims) {
    if (claim.kind === "live") live = leastClaim(live, claim)
    if (claim.kind === "possible") possible = leastClaim(possible, claim)
    if (claim.kind === "region") region = leastClaim(region, claim)
    if (claim.owns) owner = leastClaim(owner, claim)
  }
  let next: Claim | undefined
  const others = new Set<string>()
  for (const claim of live === undefined || claims.length < 2 ? [] : claims) {
    if (claim.kind !== "live" || claim.claimant === live?.claimant) continue
    others.add(claim.claimant)
    next = leastClaim(next, claim)
  }
  return { live, next, lives: others.size + 1, possible, region, owner }
}

const holds = (claim: Claim): boolean => claim.kind !== "former"

const named = ({ claimant }: Claim, { lives }: Summary) =>
  lives > 2 ? `${claimant} and others (${lives} in all)` : claimant

/** With fewer claims, a summary costs no more than keeping it. */
const fewClaims = 4

// By the list of claims, which is replaced when one goes, and grows when one comes.
const summaries = new WeakMap<ReadonlyArray<Claim>, { readonly length: number; readonly summary: Summary }>()
const summaryAt = ({ items }: Directory<Claim>): Summary => {
  if (items.length < fewClaims) return summaryOf(items)
  const known = summaries.get(items)
  if (known?.length === items.length) return known.summary
  const summary = summaryOf(items)
  summaries.set(items, { length: items.length, summary })
  return summary
}

/** Describes what is or may be live at or below a directory that holds something. */
const heldBelow = (directory: Directory<Claim>): string => {
  let at = directory
  for (;;) {
    const { live, possible, region } = summaryAt(at)
    if (live !== undefined) return `holds the mount point ${shown(live.path)}, which is live`
    if (possible !== undefined) return `holds ${shown(possible.path)}, where ${possible.claimant} may be live`
    if (region !== undefined)
      return `holds the directory of ${region.claimant}, of which only ${shown(region.path)} is known`
    // The least by first name alone: a node's run can be shorter, if a path that is gone split it.
    let next: readonly [name: string, entry: Directory<Claim>] | undefined
    for (const one of at.entries ?? []) {
      if (one[1].size > 0 && (next === undefined || compare(one[0], next[0]) < 0)) next = one
    }
    if (next === undefined) return "holds a directory that may be live"
    at = next[1]
  }
}

/**
 * The directories that are occupied, by claims that can be withdrawn. A query costs no more if many claim the same path, as
 * long as no claim on it changes.
 */
export class ClaimedDirectories implements Occupancy {
  readonly #tree = new DirectoryTree<Claim>(holds)

  add(claim: Claim): void {
    this.#tree.add(claim.path, claim)
  }

  remove(claim: Claim): void {
    this.#tree.remove(claim.path, claim)
  }

  claimsAt(path: string): ReadonlyArray<Claim> {
    return this.#tree.at(path)?.items ?? []
  }

  othersAt(path: string, self: string): string | undefined {
    const directory = this.#tree.at(path)
    const known = directory && summaryAt(directory)
    const other = known?.live?.claimant === self ? known.next : known?.live
    return known === undefined || other === undefined ? undefined : named(other, known)
  }

  against(path: string): string | undefined {
    const directory = this.#tree.at(path)
    const known = directory && summaryAt(directory)
    if (known?.live !== undefined) return `is the mount point of ${named(known.live, known)}, which is live`
    // More than one only if an unknown name (`*`) is on the way: few, since a path is built from five names.
    let candidates: ReadonlyArray<Place<Claim>> = [this.#tree.root]
    for (const component of componentsOf(path)) {
      candidates = candidates.flatMap((candidate) =>
        [component, anyName].flatMap((name) => entryOf(candidate, name) ?? []),
      )
      for (const candidate of candidates) {
        const there = directoryAt(candidate)
        const region = there && summaryAt(there).region
        if (region !== undefined) {
          return `may be or lie in the directory of ${region.claimant}, of which only ${shown(region.path)} is known`
        }
      }
    }
    for (const candidate of candidates) {
      const there = directoryAt(candidate)
      const kept = there && summaryAt(there).possible
      if (kept !== undefined) return `is where ${kept.claimant} may be live`
      if (candidate.directory.size > 0) return heldBelow(candidate.directory)
    }
    return undefined
  }

  around(path: string): string | undefined {
    return this.#tree.firstAbove(path, (directory, above) => {
      const { live, possible } = summaryAt(directory)
      const claimant = (live ?? possible)?.claimant
      return claimant === undefined ? undefined : `${shown(above)}, the directory of ${claimant}`
    })
  }

  ownerOf(path: string): string | undefined {
    const directory = this.#tree.at(path)
    const owner =
      this.#tree.firstAbove(path, (above) => summaryAt(above).owner) ?? (directory && summaryAt(directory).owner)
    return owner?.claimant
  }
}

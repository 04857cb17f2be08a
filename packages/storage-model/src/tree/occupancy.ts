/** Tracks which directories hold data and so must not be removed. Considers all records, since skipped ones have data too. */
import { Result } from "effect"
import { shown } from "../report/finding.ts"
import { dataTypesNamedBy } from "../rules/data-type.ts"
import { isRemoval, mayBeLive, stateOf } from "../rules/lifecycle.ts"
import { normalizedPath, type PathRule, pathsReadIn, projectMountPath, tenantMountPath } from "../rules/mount-path.ts"
import { isRefusal } from "../rules/ruling.ts"
import { property } from "../waldur/json-object.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import {
  componentsOf,
  type Directory,
  directoryAt,
  directoryTree,
  entryOf,
  type Occupants,
  type Place,
} from "./directory-tree.ts"
import { collect, compare, inOrder } from "./order.ts"
import { isFromWaldur, type PlacedResource } from "./place.ts"
import { anyName, recordMayBeLive, whereaboutsOf } from "./whereabouts.ts"

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
  /** Describes the live directory that contains `path`; `undefined` if there is none. */
  readonly around: (path: string) => string | undefined
  /** Describes the resource, live or not, whose directory is or contains `path`; `undefined` if there is none. */
  readonly ownerOf: (path: string) => string | undefined
}

/** A directory that may hold data, and its owner. */
interface Claim {
  readonly path: string
  readonly who: string
  /** Whether the record names it as its own. */
  readonly owns: boolean
  /** Whether it is certainly live there. */
  readonly isCertain: boolean
}

const claimOrder = (a: Claim, b: Claim) =>
  compare(+b.isCertain, +a.isCertain) || compare(a.path, b.path) || compare(a.who, b.who) || compare(+b.owns, +a.owns)

const claimsOf = (record: unknown, who: string, rule: PathRule): ReadonlyArray<Claim> => {
  const { paths, misread, pattern } = whereaboutsOf(record, rule)
  const others = pattern === undefined ? misread : [...misread, pattern]
  return [
    ...paths.map((path) => ({ path, who, owns: true, isCertain: false })),
    ...others.map((path) => ({ path, who, owns: false, isCertain: false })),
  ]
}

/**
 * Determines which directories are occupied. First add everything, placed resources in list order; then enter each of
 * `claims`; then query. The cost of a query does not depend on how many resources share a path.
 *
 * @param contested UUIDs with several records, at least one of them live: the paths of all these records are protected
 */
export const occupancyOf = (contested: ReadonlySet<string>, rule: PathRule) => {
  const tree = directoryTree()
  const claims: Array<Claim> = []
  const claim = (path: string, who: string, owns: boolean) =>
    collect(claims, { path, who, owns, isCertain: false }, claimOrder)
  const { own, live, enter } = entrances(tree)

  const addPlaced = ({ state: { value: state }, path, dataType, resource }: PlacedResource): void => {
    const { uuid } = resource
    const place = isRefusal(path) ? undefined : path.value
    if (!mayBeLive(state, resource.order_in_progress) && !contested.has(uuid)) {
      if (place !== undefined) own(tree.enter(place, undefined), place, uuid)
      return
    }
    if (place === undefined) {
      for (const one of claimsOf(resource, uuid, rule)) collect(claims, one, claimOrder)
      return
    }
    if (isRemoval(state)) claim(place, uuid, true)
    else live(place, uuid)
    if (isFromWaldur(path)) return
    for (const read of pathsReadIn(resource.backend_id)) claim(read, uuid, true)
    for (const name of dataTypesNamedBy(resource)) {
      if (name === dataType.value) continue
      const other = Result.flatMap(tenantMountPath(resource, name), (above) => projectMountPath(above, resource))
      if (Result.isSuccess(other)) claim(other.success, uuid, false)
    }
  }
  const addUnplaced = (record: unknown): void => {
    const uuid = dashedUuid(property(record, "uuid"))
    const isLive = recordMayBeLive(record)
    if (!isLive && !contested.has(uuid ?? "")) return
    const found = claimsOf(record, uuid ?? "a resource with an invalid record", rule)
    const isCertain = found.length === 1 && isLive && !isRemoval(stateOf(property(record, "state")))
    for (const one of found) collect(claims, { ...one, isCertain: isCertain && one.owns }, claimOrder)
  }
  const protect = ({ path, by }: ProtectedPath): void => {
    const who = String(shown(by))
    const normalized = normalizedPath(path)
    if (normalized !== undefined && normalized !== "/") claim(normalized, who, true)
    for (const read of pathsReadIn(path)) claim(read, who, true)
  }
  return { addPlaced, addUnplaced, protect, claims: inOrder(claims, claimOrder), enter, ...answersOf(tree) }
}

type Tree = ReturnType<typeof directoryTree>

/** The functions that add data to the tree of directories. */
const entrances = (tree: Tree) => {
  const own = (directory: Directory, path: string, who: string) => {
    // A path of one component is not a mount point, so no resource owns a whole file system.
    if (path.includes("/", 1)) directory.owner ??= who
  }
  const live = (path: string, who: string) => {
    const directory = tree.enter(path, () => `holds the mount point ${shown(path)}, which is live`)
    own(directory, path, who)
    const known = directory.live
    if (known === undefined) directory.live = { first: who, second: undefined, count: 1 }
    else if (known.first !== who) {
      known.second ??= who
      known.count += 1
    }
  }
  const enter = ({ path, who, owns, isCertain }: Claim): void => {
    if (isCertain) {
      live(path, who)
      return
    }
    if (path.split("/").includes(anyName)) {
      const region = tree.enter(path, () => `holds the directory of ${who}, of which only ${shown(path)} is known`)
      region.region ??= () => `may be or lie in the directory of ${who}, of which only ${shown(path)} is known`
      return
    }
    const directory = tree.enter(path, () => `holds ${shown(path)}, where ${who} may be live`)
    if (owns) own(directory, path, who)
    directory.kept ??= who
  }
  return { own, live, enter }
}

const named = (one: string, { count }: Occupants) => (count > 2 ? `${one} and others (${count} in all)` : one)

const answersOf = (tree: Tree): Occupancy => ({
  othersAt: (path, self) => {
    const known = tree.at(path)?.live
    const other = known?.first === self ? known.second : known?.first
    return known === undefined || other === undefined ? undefined : named(other, known)
  },
  against: (path) => {
    const known = tree.at(path)?.live
    if (known !== undefined) return `is the mount point of ${named(known.first, known)}, which is live`
    // More than one only if an invalid name (`*`) is on the way; with five names they stay few.
    let candidates: ReadonlyArray<Place> = [tree.root]
    for (const component of componentsOf(path)) {
      candidates = candidates.flatMap((candidate) =>
        [component, anyName].flatMap((name) => entryOf(candidate, name) ?? []),
      )
      for (const candidate of candidates) {
        const region = directoryAt(candidate)?.region
        if (region !== undefined) return region()
      }
    }
    for (const candidate of candidates) {
      const kept = directoryAt(candidate)?.kept
      if (kept !== undefined) return `is where ${kept} may be live`
      const { holds } = candidate.directory
      if (holds !== undefined) return holds()
    }
    return undefined
  },
  around: (path) =>
    tree.onTheWay(path, ({ live, kept }, above) => {
      const who = live?.first ?? kept
      return who === undefined ? undefined : `${shown(above)}, the directory of ${who}`
    }),
  ownerOf: (path) => tree.onTheWay(path, ({ owner }) => owner) ?? tree.at(path)?.owner,
})

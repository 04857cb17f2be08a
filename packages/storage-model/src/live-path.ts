import { Result } from "effect"
import { compare } from "./code-unit-order.ts"
import { getOrMake } from "./get-or-make.ts"
import { property } from "./json-object.ts"
import { isLiveState, providerView } from "./lifecycle.ts"
import type { Located } from "./located-resource.ts"
import { backendMountPath, parentDirectory, projectMountPath, tenantMountPath } from "./mount-path.ts"
import { eachInSteps, type Steps, sortInSteps } from "./steps.ts"
import { dataTypeOf } from "./storage-data-type.ts"

const textIn = (record: unknown, key: string): string => {
  const value = property(record, key)
  return typeof value === "string" ? value : ""
}

/**
 * The mount point of a live resource whose record is bad, as far as the record still tells: what another resource that
 * is being removed must not take with it. `undefined` where it is not live or tells no path.
 */
export const livePathOf = (record: unknown): string | undefined => {
  const orderState = property(property(record, "order_in_progress"), "state")
  const order = typeof orderState === "string" ? { state: orderState } : null
  const view = providerView(textIn(record, "state"), order)
  return view.visible && isLiveState(view.state) ? recordedPathOf(record) : undefined
}

/** The mount point that a record tells, however bad the rest of it is; `undefined` where it tells none. */
export const recordedPathOf = (record: unknown): string | undefined => {
  const fromWaldur = backendMountPath(property(record, "backend_id"), [], () => {})
  if (Result.isFailure(fromWaldur)) return undefined
  if (fromWaldur.success !== undefined) return fromWaldur.success
  const names = {
    offering_slug: textIn(record, "offering_slug"),
    provider_slug: textIn(record, "provider_slug"),
    customer_slug: textIn(record, "customer_slug"),
    project_slug: textIn(record, "project_slug"),
  }
  const places = { attributes: property(record, "attributes"), options: property(record, "options") }
  const path = dataTypeOf(places).pipe(
    Result.flatMap((dataType) => tenantMountPath(names, dataType.name)),
    Result.flatMap((tenantPath) => projectMountPath(tenantPath, names)),
  )
  return Result.isSuccess(path) ? path.success : undefined
}

/** Where live resources are: data that somebody wants to keep. */
export interface LivePaths {
  /** Who else is at `path`, in words; `undefined` where nobody is. */
  readonly othersAt: (path: string, self: string) => string | undefined
  /** A live mount point in the directory `path` or below it, not `path` itself; `undefined` where there is none. */
  readonly below: (path: string) => string | undefined
}

interface Occupants {
  readonly first: string
  second: string | undefined
  count: number
}

/**
 * Keeps who lives where. Judged over all records: also what is left out, or too bad to locate, is data on a disk.
 * The questions cost the same however many share a path.
 *
 * @param located in the order in which they are named where there are many
 */
export function* livePathsOf(located: Iterable<Located>, badButLive: Iterable<unknown>): Steps<LivePaths> {
  // By directory, then by path: one map of all paths would take ten milliseconds to grow.
  const at = new Map<string, Map<string, Occupants>>()
  const below = new Map<string, string>()
  const add = (path: string, who: string) => {
    const directory = parentDirectory(path)
    const paths = getOrMake(at, directory, () => new Map<string, Occupants>())
    const known = paths.get(path)
    if (known === undefined) paths.set(path, { first: who, second: undefined, count: 1 })
    else {
      known.second ??= who
      known.count += 1
    }
    // Where a directory is entered, so are those above it.
    for (let above = directory; above !== "/" && !below.has(above); above = parentDirectory(above)) {
      below.set(above, path)
    }
  }

  yield* eachInSteps(located, ({ state, path, resource }) => {
    if (isLiveState(state) && Result.isSuccess(path)) add(path.success, resource.uuid)
  })
  const badPaths: Array<string> = []
  yield* eachInSteps(badButLive, (record) => {
    const path = livePathOf(record)
    if (path !== undefined) badPaths.push(path)
  })
  yield* eachInSteps(yield* sortInSteps(badPaths, compare), (path) => add(path, "a resource whose record is bad"))

  return {
    othersAt: (path, self) => {
      const known = at.get(parentDirectory(path))?.get(path)
      const other = known?.first === self ? known.second : known?.first
      if (known === undefined || other === undefined) return undefined
      return known.count > 2 ? `${other} and others (${known.count} in all)` : other
    },
    below: (path) => below.get(path),
  }
}

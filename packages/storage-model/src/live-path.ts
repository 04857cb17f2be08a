import { Result } from "effect"
import { isJsonObject, property } from "./json-object.ts"
import { isLiveState, providerView } from "./lifecycle.ts"
import { backendMountPath, parentDirectory, projectMountPath } from "./mount-path.ts"
import { dataTypeOf } from "./storage-data-type.ts"

/**
 * The mount point of a live resource whose record is bad, as far as the record still tells: what another resource that
 * is being removed must not take with it. `undefined` where it is not live or tells no path.
 */
export const livePathOf = (record: unknown): string | undefined => {
  const text = (key: string) => {
    const value = property(record, key)
    return typeof value === "string" ? value : ""
  }
  const orderState = property(property(record, "order_in_progress"), "state")
  const view = providerView(text("state"), typeof orderState === "string" ? { state: orderState } : null)
  if (!view.visible || !isLiveState(view.state)) return undefined
  const fromWaldur = backendMountPath(property(record, "backend_id"), [], () => {})
  if (Result.isFailure(fromWaldur)) return undefined
  if (fromWaldur.success !== undefined) return fromWaldur.success
  const attributes = property(record, "attributes")
  const path = Result.flatMap(dataTypeOf(isJsonObject(attributes) ? attributes : null), (dataType) =>
    projectMountPath(
      {
        offering_slug: text("offering_slug"),
        provider_slug: text("provider_slug"),
        customer_slug: text("customer_slug"),
        project_slug: text("project_slug"),
      },
      dataType,
    ),
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

/**
 * Keeps who lives where. Its questions cost the same however many share a path.
 *
 * @param occupants each live mount point with a name for who is there
 */
export const livePathsOf = (occupants: Iterable<readonly [path: string, who: string]>): LivePaths => {
  const at = new Map<string, { readonly first: string; readonly second: string | undefined; readonly count: number }>()
  const below = new Map<string, string>()
  for (const [path, who] of occupants) {
    const known = at.get(path)
    at.set(path, { first: known?.first ?? who, second: known && (known.second ?? who), count: (known?.count ?? 0) + 1 })
    // Where a directory is entered, so are those above it.
    for (let directory = parentDirectory(path); directory !== "/"; directory = parentDirectory(directory)) {
      if (below.has(directory)) break
      below.set(directory, path)
    }
  }
  return {
    othersAt: (path, self) => {
      const known = at.get(path)
      const other = known?.first === self ? known.second : known?.first
      if (known === undefined || other === undefined) return undefined
      return known.count > 2 ? `${other} and others (${known.count} in all)` : other
    },
    below: (path) => below.get(path),
  }
}

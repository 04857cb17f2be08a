import { problem, shown, type Warn } from "../report/finding.ts"
import type { PathRule } from "../rules/mount-path.ts"
import type { Group } from "./group.ts"
import type { LivePaths } from "./occupancy.ts"

/** Where a tenant's or customer's directory is. */
export interface ParentDirectory {
  /** `undefined` if there is none that may be served. */
  readonly path: string | undefined
  /** The fields that decided. */
  readonly from: string
  /** Why they. */
  readonly reason: string
}

type Level = "tenant" | "customer"

/**
 * Chooses the directories of tenants and customers: that which all paths below share, if Waldur gave every one of them,
 * and it may be served and is in no resource's own directory; else that of the names. A tenant or customer whose names
 * give none that may be served has no entry, with a warning.
 */
export const parentDirectories =
  (live: LivePaths, rule: PathRule) =>
  (group: Group, level: Level, named: string, warn: Warn): ParentDirectory => {
    const shared = group.sharedDirectory
    const inside = (path: string) => {
      const owner = live.ownerOf(path)
      return owner === undefined ? undefined : `is or lies in the directory of ${owner}`
    }
    const wrong = shared === undefined ? undefined : (rule(shared) ?? inside(shared))
    if (shared !== undefined && wrong === undefined) {
      return { path: shared, from: "backend_id", reason: "every resource below has such a path, and all lie in it" }
    }

    const names = `offering_slug, ${group.first.dataTypeField}, provider_slug`
    const from = level === "tenant" ? names : `${names}, customer_slug`
    const why = wrong === undefined ? reasonOf(group) : `${shared}, which the paths below share, does not do: ${wrong}`
    const forbidden = rule(named)
    if (forbidden !== undefined) {
      const reason = `no entry for the ${level}: ${why}; nor does ${named}, made of the names: ${forbidden}`
      warn("ignored-value", problem("backend_id", shared, reason))
      return { path: undefined, from, reason }
    }
    if (wrong !== undefined) {
      warn("ignored-value", problem("backend_id", shared, `no directory of the ${level}: ${wrong}; ${named} is taken`))
    }
    const conflict = inside(named)
    if (conflict !== undefined)
      warn("shared-mount-point", problem(`${level === "tenant" ? "provider" : "customer"}_slug`, named, conflict))
    return { path: named, from, reason: `made of the names, for ${why}` }
  }

const reasonOf = ({ first, against }: Group): string => {
  const pathless = first.pathFromWaldur ? against : first
  if (pathless?.pathFromWaldur === false) return `backend_id of ${shown(pathless.resource.slug)} gives no path`
  return against === first || against === undefined
    ? "by backend_id it would be /"
    : `backend_id of ${shown(first.resource.slug)} and of ${shown(against.resource.slug)} do not lie in the same directory`
}

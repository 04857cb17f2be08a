/** Chooses the directories of tenants and customers. */
import { remark, shown } from "../report/finding.ts"
import { sentenceOf } from "../report/rules.ts"
import type { PathRule } from "../rules/mount-path.ts"
import { type Ruling, ruling } from "../rules/ruling.ts"
import { type Group, sharedDirectoryOf } from "./group.ts"
import type { Occupancy } from "./occupancy.ts"
import { isFromWaldur } from "./place.ts"

type Level = "tenant" | "customer"

/**
 * Chooses the directory of a tenant or customer: the one that all paths below share, if every path comes from
 * `backend_id` and the directory may be served and is not inside a resource's own directory; else the one built from the
 * names. If that one may not be served either, there is none, with a remark.
 *
 * @param named the directory built from the names
 */
export const parentDirectoryOf = (
  group: Group,
  level: Level,
  named: string,
  { occupancy, rule }: { readonly occupancy: Occupancy; readonly rule: PathRule },
): Ruling<string | undefined> => {
  const shared = sharedDirectoryOf(group)
  const inside = (path: string) => {
    const owner = occupancy.ownerOf(path)
    return owner === undefined ? undefined : `is or lies in the directory of ${owner}`
  }
  const wrong = shared === undefined ? undefined : (rule(shared) ?? inside(shared))
  if (shared !== undefined && wrong === undefined) {
    return ruling("path", shared, "backend_id", "path/shared-by-all-below")
  }

  const names = `offering_slug, ${group.first.dataType.field}, provider_slug`
  const from = level === "tenant" ? names : `${names}, customer_slug`
  const why =
    wrong === undefined ? whyNotShared(group) : `${shared}, which all paths below share, cannot be used: ${wrong}`
  const forbidden = rule(named)
  if (forbidden !== undefined) {
    const none = ruling("path", undefined, from, "path/none-for-parent", { level, why, named, forbidden })
    return { ...none, remarks: [remark("ignored-value", "backend_id", shared, sentenceOf(none))] }
  }
  const remarks =
    wrong === undefined
      ? []
      : [
          remark(
            "ignored-value",
            "backend_id",
            shared,
            `not usable as the directory of the ${level}: ${wrong}; ${named} is used`,
          ),
        ]
  const conflict = inside(named)
  if (conflict !== undefined) {
    remarks.push(remark("shared-mount-point", `${level === "tenant" ? "provider" : "customer"}_slug`, named, conflict))
  }
  return ruling("path", named, from, "path/names-of-parent", { why }, remarks)
}

const whyNotShared = (group: Group): string => {
  const { first } = group
  const differing = group.differing ?? first
  const pathless = isFromWaldur(first.path) ? differing : first
  if (!isFromWaldur(pathless.path)) return `backend_id of ${shown(pathless.resource.slug)} gives no path`
  return differing === first
    ? "by backend_id it would be /"
    : `backend_id of ${shown(first.resource.slug)} and of ${shown(differing.resource.slug)} do not lie in the same directory`
}

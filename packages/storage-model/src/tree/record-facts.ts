/** What a record contributes to the tree besides its entry: the directories it claims, its identities and findings. */
import type { Skipped, Warning } from "../report/finding.ts"
import { isRemoval } from "../rules/lifecycle.ts"
import type { PathRule } from "../rules/mount-path.ts"
import { none } from "../rules/ruling.ts"
import { property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { findingOf } from "./findings.ts"
import { type Claim, claimsOfPlaced, claimsOfUnplaced } from "./occupancy.ts"
import type { PlacedResource } from "./place.ts"
import { type Holder, holder } from "./shared-identity.ts"
import { recordMayBeLive } from "./whereabouts.ts"

export interface RecordFacts {
  readonly claims: ReadonlyArray<Claim>
  /** The project's UUID under its slug. */
  readonly slug: Holder | undefined
  readonly skipped: Skipped | undefined
  readonly warnings: ReadonlyArray<Warning>
}

/** @param isContested whether the paths of all records with its UUID are protected */
export const factsOfPlaced = (placed: PlacedResource, isContested: boolean, rule: PathRule): RecordFacts => ({
  claims: claimsOfPlaced(placed, isContested, rule),
  slug: isRemoval(placed.state.value) ? undefined : slugOf(placed.resource, placed.resource),
  skipped: undefined,
  warnings:
    placed.path.remarks.length === 0 ? none : placed.path.remarks.map((remark) => findingOf(placed.resource, remark)),
})

/** The facts of a record without a place in the tree. */
export const factsOfUnplaced = (
  record: unknown,
  skipped: Skipped,
  isContested: boolean,
  rule: PathRule,
): RecordFacts => ({
  claims: claimsOfUnplaced(record, isContested, rule),
  slug: recordMayBeLive(record) ? slugOf(record, undefined) : undefined,
  skipped,
  warnings: none,
})

const slugOf = (record: unknown, resource: WaldurResource | undefined): Holder | undefined => {
  const slug = property(record, "project_slug")
  const uuid = dashedUuid(property(record, "project_uuid"))
  return typeof slug === "string" && uuid !== undefined ? holder(slug, uuid, resource) : undefined
}

/**
 * From Waldur's storage resources to CSCS's storage entries: mount paths, ids, quotas, states, targets, the tree, its
 * filters and pages. Pure: no I/O, no clock, no randomness, no log; what it has to say of odd records it returns.
 *
 * @example
 * ```ts
 * import { buildHierarchy, decodeResources, defaultModelSettings, selectEntries } from "@cscs/storage-model"
 *
 * const tree = buildHierarchy({
 *   decoded: decodeResources([]), // rows of GET /api/marketplace-provider-resources/
 *   customers: new Map(),
 *   gids: new Map([["climate-sim", { status: "known", gid: 31001 }]]),
 *   settings: { ...defaultModelSettings, storageSystems: [{ name: "capstor", offeringSlug: "capstor" }] },
 * })
 * const active = selectEntries(tree.entries, { status: "active" }).map(({ entry }) => entry)
 * ```
 */
export type { CustomerList, OfferingCustomer } from "./customer-directory.ts"
export {
  type Ask,
  askOf,
  type Explained,
  type ExplainedParent,
  type Explanation,
  explain,
  type ResourceBelow,
} from "./explain.ts"
export type { Finding, Problem, SkipCode, Skipped, Warning, WarningCode } from "./finding.ts"
export {
  buildHierarchy,
  type Hierarchy,
  type HierarchyEnd,
  type HierarchyInput,
  hierarchySteps,
  type PlacedEntry,
} from "./hierarchy.ts"
export { type EntryStatus, entryStatuses, statusOf, type WaldurState, waldurStates } from "./lifecycle.ts"
export type { ProtectedPath } from "./live-path.ts"
export { invalidComponent, systemDirectoryOf } from "./mount-path.ts"
export type { NextCode, NextStep } from "./next-step.ts"
export type { Decided, Noted, Part } from "./note.ts"
export type { InodeSettings } from "./quotas.ts"
export { type GidAnswer, projectsWithoutItem } from "./resource-entry.ts"
export {
  type EntryFacets,
  type EntryFilter,
  facetsOf,
  Pagination,
  pageOf,
  paginate,
  passesFilter,
  selectEntries,
  selectRows,
} from "./selection.ts"
export { defaultModelSettings, type ModelSettings, type StorageSystem } from "./settings.ts"
export { knownDataTypes } from "./storage-data-type.ts"
export { type CallbackUrls, ProjectItem, Quota, StorageEntry, Target, UserItem } from "./storage-entry.ts"
export { isProblem, type StoredEntry, storedEntryJudge } from "./stored-entry.ts"
export { type GidRange, isGid, mockGid } from "./target-item.ts"
export { dashedUuid, deterministicId } from "./uuid.ts"
export {
  type DecodedResources,
  decodeResources,
  WaldurOrder,
  WaldurResource,
  waldurResourceFields,
} from "./waldur-resource.ts"

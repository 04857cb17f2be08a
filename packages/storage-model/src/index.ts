/**
 * Turns Waldur's storage resources into CSCS's storage entries: mount paths, ids, quotas, states, targets, the tree, and its
 * filters. Pure: no I/O, clock, randomness or logging; findings about records are returned.
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

export { inodesText, spaceText } from "./entry/amount-text.ts"
export { gidOf, isOfResource, keyOf } from "./entry/entry-identity.ts"
export { isEqualJson, type PairedLists, pairLists } from "./entry/pair-lists.ts"
export {
  type EntryFacets,
  type EntryFilter,
  facetsOf,
  passesFilter,
  selectEntries,
  selectRows,
} from "./entry/selection.ts"
export { type CallbackUrls, ProjectItem, Quota, StorageEntry, Target, UserItem } from "./entry/storage-entry.ts"
export { isProblem, type StoredEntry, storedEntryChecker } from "./entry/stored-entry.ts"
export {
  type DecidedValue,
  type Decision,
  type Explained,
  type ExplainedParent,
  type Explaining,
  type Explanation,
  explain,
  explaining,
  type Lookup,
  parseLookup,
  type ResourceBelow,
} from "./report/explain.ts"
export {
  type Finding,
  type Problem,
  SkipCode,
  Skipped,
  skipCodes,
  Warning,
  WarningCode,
  warningCodes,
} from "./report/finding.ts"
export { type NextCode, type NextStep, nextOfEntry } from "./report/next-step.ts"
export { rules } from "./report/rules.ts"
export { knownDataTypes } from "./rules/data-type.ts"
export { type GidRange, isGid } from "./rules/gid.ts"
export { type EntryStatus, entryStatuses, statusOf, type WaldurState, waldurStates } from "./rules/lifecycle.ts"
export { invalidComponent, systemDirectoryOf } from "./rules/mount-path.ts"
export { type InodeSettings, quotaReport } from "./rules/quotas.ts"
export { mockGid } from "./rules/target.ts"
export { defaultModelSettings, type ModelSettings, type StorageSystem } from "./settings.ts"
export type { PlacedEntry } from "./tree/customer-tree.ts"
export type { CustomerList, OfferingCustomer } from "./tree/customers.ts"
export {
  buildHierarchy,
  type Hierarchy,
  HierarchyBuilder,
  type HierarchyChange,
  type HierarchyEnd,
  type HierarchyFrame,
  type HierarchyInput,
  type HierarchyLookups,
  type HierarchyUpdate,
  noResources,
} from "./tree/hierarchy.ts"
export type { ProtectedPath } from "./tree/occupancy.ts"
export type { BuiltPart, TreePart } from "./tree/parts.ts"
export type { Pass } from "./tree/pass.ts"
export { type ProjectGid, projectsWithoutItem } from "./tree/resource-entry.ts"
export { finiteDecimal } from "./waldur/decimal.ts"
export { isJsonObject, property } from "./waldur/json-object.ts"
export {
  type DecodedResources,
  decodeResources,
  WaldurOrder,
  WaldurResource,
  waldurResourceFields,
} from "./waldur/resource.ts"
export { dashedUuid, deterministicId } from "./waldur/uuid.ts"

import {
  buildHierarchy,
  type CustomerList,
  decodeResources,
  defaultModelSettings,
  type Hierarchy,
  type ModelSettings,
  type OfferingCustomer,
  type ProjectGid,
  type ProtectedPath,
  type Skipped,
  type StorageEntry,
} from "../src/index.ts"
import { aResource, customerId, offeringId, type Row } from "./a-resource.ts"

/** An example's surroundings: everything but the rows. */
export interface Surroundings {
  readonly customers?: ReadonlyMap<string, CustomerList>
  readonly gids?: ReadonlyMap<string, ProjectGid>
  readonly settings?: Partial<ModelSettings>
  readonly offerings?: ReadonlyMap<string, ReadonlySet<string>>
  readonly protectedPaths?: ReadonlyArray<ProtectedPath>
}

export const settingsWith = (changes: Partial<ModelSettings> = {}): ModelSettings => ({
  ...defaultModelSettings,
  storageSystems: ["capstor", "vast", "iopsstor"].map((name) => ({ name, offeringSlug: name })),
  // The URL prefix of `anOrder`'s orders.
  waldurApiUrl: "https://waldur.example.com",
  ...changes,
})

/** The offering's own list of customers, with the customer of `aResource`. */
export const listedCustomers: ReadonlyMap<string, ReadonlyArray<OfferingCustomer>> = new Map([
  [offeringId, [{ uuid: customerId, slug: "university-physics", name: "University of Physics" }]],
])

/** A GID for every project of the rows, independent of their order; 31001 for that of `aResource`. */
export const gidsOf = (rows: ReadonlyArray<unknown>): ReadonlyMap<string, ProjectGid> => {
  const slugs = new Set(rows.map((row) => String((row as Row | null)?.project_slug)))
  const gidAt = (slug: string, at: number) => (slug === "climate-sim" ? 31_001 : 31_002 + at)
  return new Map([...slugs].toSorted().map((slug, at) => [slug, { status: "known", gid: gidAt(slug, at) }]))
}

export const treeOf = (rows: ReadonlyArray<unknown>, around: Surroundings = {}): Hierarchy =>
  buildHierarchy({
    decoded: decodeResources(rows),
    customers: around.customers ?? listedCustomers,
    gids: around.gids ?? gidsOf(rows),
    settings: settingsWith(around.settings),
    ...(around.offerings !== undefined && { offerings: around.offerings }),
    ...(around.protectedPaths !== undefined && { protectedPaths: around.protectedPaths }),
  })

export const entriesOf = (tree: Hierarchy): ReadonlyArray<StorageEntry> => tree.entries.map(({ entry }) => entry)

const entriesFor = (tree: Hierarchy, ...types: ReadonlyArray<string>) =>
  entriesOf(tree).filter(({ target }) => types.includes(target.targetType))

export const tenantsOf = (tree: Hierarchy): ReadonlyArray<StorageEntry> => entriesFor(tree, "tenant")
export const customersOf = (tree: Hierarchy): ReadonlyArray<StorageEntry> => entriesFor(tree, "customer")
export const resourcesOf = (tree: Hierarchy): ReadonlyArray<StorageEntry> => entriesFor(tree, "project", "user")

export const mountPointsOf = (entries: ReadonlyArray<StorageEntry>): ReadonlyArray<string> =>
  entries.map(({ mountPoint }) => mountPoint.default)

/** The only item of a list. Otherwise the example fails and shows what it got instead. */
export const only = <A>(found: ReadonlyArray<A>): A => {
  const [first] = found
  if (first === undefined || found.length !== 1) throw new Error(`expected one, got ${JSON.stringify(found)}`)
  return first
}

/** The tree of a single good resource with `changes`. */
export const treeWith = (changes: Row = {}, around: Surroundings = {}): Hierarchy =>
  treeOf([aResource(changes)], around)

/** The entry of that resource. */
export const entryWith = (changes: Row = {}, around: Surroundings = {}): StorageEntry => {
  const tree = treeWith(changes, around)
  if (tree.skipped.length > 0) throw new Error(`not served: ${JSON.stringify(tree.skipped)}`)
  return only(resourcesOf(tree))
}

/** The reason why that resource is skipped. */
export const refusalWith = (changes: Row = {}, around: Surroundings = {}): Skipped => {
  const tree = treeWith(changes, around)
  if (resourcesOf(tree).length > 0) throw new Error(`served: ${JSON.stringify(resourcesOf(tree))}`)
  return only(tree.skipped)
}

/** The warnings about that resource and its parents, although it is served. */
export const warningsWith = (changes: Row = {}, around: Surroundings = {}) => {
  const tree = treeWith(changes, around)
  if (tree.skipped.length > 0) throw new Error(`not served: ${JSON.stringify(tree.skipped)}`)
  return tree.warnings.map(({ code, field, found }) => ({ code, field, found }))
}

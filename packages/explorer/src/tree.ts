/** The entries as rows of a tree grid: system, data type, tenant, customer, project or user, with sums. Pure. */
import { isEqualJson, isOfResource, keyOf, type Quota, type StorageEntry } from "@cscs/storage-model"
import { type Waiting, waitingOf } from "./waiting.ts"

/** A row's subject: a storage system, a data type on it, or an entry. */
export interface TreeNode {
  /** Unique, and the same in each list: consumers key on `itemId` and `mountPoint` together. */
  readonly key: string
  readonly kind: "system" | "data type" | StorageEntry["target"]["targetType"]
  readonly name: string
  readonly entry: StorageEntry | undefined
  readonly children: Array<TreeNode>
  /** The text that a search matches, in lower case: its parent's name, its own names, path, UUIDs and id. */
  readonly text: string
  /** Its parent's name, in lower case. */
  readonly above: string
  /** The step that is due for its entry; `undefined` if none is. */
  readonly waiting: Waiting | undefined
  /** Its own share of the sums. */
  readonly own: Sum
  /** Cache: the node without descendants, which is the same for all filters that it matches. */
  alone: Branch | undefined
}

/** A list as a tree. */
export interface Tree {
  readonly systems: ReadonlyArray<TreeNode>
  /** The nodes of the entries by key, in the order of the list. */
  readonly nodes: ReadonlyMap<string, TreeNode>
  /** The waiting entries of the whole list. */
  readonly waiting: ReadonlyArray<Waiting>
}

/** Limits in TB and inodes. */
export interface Limits {
  readonly spaceSoft: number
  readonly spaceHard: number
  readonly inodesSoft: number
  readonly inodesHard: number
}

/** The sums of the project and user entries at and below a row. Removed ones hold nothing, so only `entries` counts them. */
export interface Sum extends Limits {
  readonly entries: number
  /** Entries for which a step is due. */
  readonly waiting: number
}

/** A node that matches the filters, or has a descendant that does. */
export interface Branch {
  readonly node: TreeNode
  readonly children: ReadonlyArray<Branch>
  readonly sum: Sum
}

/** A branch as a visible row. */
export interface Row {
  readonly branch: Branch
  /** From 1, as `aria-level`, `aria-posinset` and `aria-setsize` are. */
  readonly level: number
  readonly position: number
  readonly siblings: number
  /** `undefined` if it has no children. */
  readonly isExpanded: boolean | undefined
  /** The index of the row above it in the tree; -1 for a system. */
  readonly parent: number
}

/** The four limits of an entry; `undefined` if its quotas are unknown. */
export const limitsOf = (quotas: ReadonlyArray<Quota> | null | undefined): Limits | undefined => {
  if (quotas === null || quotas === undefined) return undefined
  const of = (type: string, enforcement: string) =>
    quotas.find((quota) => quota.type === type && quota.enforcementType === enforcement)?.quota ?? 0
  return {
    spaceSoft: of("space", "soft"),
    spaceHard: of("space", "hard"),
    inodesSoft: of("inodes", "soft"),
    inodesHard: of("inodes", "hard"),
  }
}

/** An entry's display name. */
export const nameOf = ({ target, mountPoint }: StorageEntry): string => {
  const { key, name }: Readonly<Record<string, unknown>> = target.targetItem
  if (!isOfResource({ target })) return String(name)
  // An item from Waldur's backend_metadata can have any key.
  return target.targetType === "project" && typeof key === "string" && key !== "" ? key : lastOf(mountPoint.default)
}
const lastOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** The GID of a project's entry, or the mock UID of a user's; `undefined` for others. */
export const unixIdOf = ({ target }: StorageEntry): string | undefined => {
  const item: Readonly<Record<string, unknown>> = target.targetItem
  if (target.targetType === "project") return String(item.unixGid)
  return target.targetType === "user" ? `uid ${String(item.unixUid)}` : undefined
}

/** Collects the texts of an entry's target that a search should find: names, keys, ids, a user's address. */
const addTexts = (value: unknown, to: Array<string>): Array<string> => {
  if (typeof value === "object" && value !== null) for (const one of Object.values(value)) addTexts(one, to)
  else if (typeof value === "string" || typeof value === "number") to.push(String(value))
  return to
}

/** A tree that grows while its list arrives: to build it at once would block the page if the list is large. */
export interface GrowingTree extends Tree {
  /** Adds an entry, in the API's order: parents before their children. */
  readonly add: (entry: StorageEntry) => void
}

/** @param before an earlier tree, whose equal entries and leaves are reused, so that they do not render again */
export const growingTree = (before: Tree = noTree): GrowingTree => {
  const systems: Array<TreeNode> = []
  const nodes = new Map<string, TreeNode>()
  const waiting: Array<Waiting> = []
  const groups = new Map<string, TreeNode>()
  const parents = new Map<string, TreeNode>()
  const group = (key: string, kind: TreeNode["kind"], name: string, siblings: Array<TreeNode>) => {
    let found = groups.get(key)
    if (found === undefined) {
      found = { ...inner, key, kind, name, children: [] }
      groups.set(key, found)
      siblings.push(found)
    }
    return found
  }
  const add = (read: StorageEntry) => {
    const key = keyOf(read)
    const known = before.nodes.get(key)
    const entry = known?.entry !== undefined && isEqualJson(known.entry, read) ? known.entry : read
    const system = group(entry.storageSystem.key, "system", entry.storageSystem.name, systems)
    const typeKey = `${entry.storageSystem.key}/${entry.storageDataType.key}`
    const type = group(typeKey, "data type", entry.storageDataType.key, system.children)
    const parent = parents.get(`${typeKey} ${entry.parentItemId}`) ?? type
    const above = parent === type ? "" : parent.name.toLowerCase()
    const isLeaf = isOfResource(entry)
    const isKnown = isLeaf && known?.entry === entry && known.above === above
    const added = isKnown ? known : nodeOf(key, entry, above, isLeaf)
    parent.children.push(added)
    nodes.set(key, added)
    if (added.waiting !== undefined) waiting.push(added.waiting)
    if (!isLeaf) parents.set(`${typeKey} ${entry.itemId}`, added)
  }
  return { systems, nodes, waiting, add }
}

const nodeOf = (key: string, entry: StorageEntry, above: string, isLeaf: boolean): TreeNode => {
  const { itemId, mountPoint, target } = entry
  const waiting = waitingOf(entry)
  const text = addTexts(target.targetItem, [above, itemId, mountPoint.default]).join("\n").toLowerCase()
  const own = isLeaf ? ownSum(entry, waiting) : nothing
  return { ...inner, key, kind: target.targetType, name: nameOf(entry), entry, children: [], text, above, waiting, own }
}

/** Builds the whole tree of a list. */
export const treeOf = (entries: ReadonlyArray<StorageEntry>, before?: Tree): Tree => {
  const { add, ...tree } = growingTree(before)
  entries.forEach(add)
  return tree
}

const noBranches: ReadonlyArray<Branch> = []
export const noTree: Tree = { systems: [], nodes: new Map(), waiting: [] }
const nothing: Sum = { entries: 0, waiting: 0, spaceSoft: 0, spaceHard: 0, inodesSoft: 0, inodesHard: 0 }
/** The fields of a node without an entry. */
const inner = { entry: undefined, text: "", above: "", waiting: undefined, own: nothing, alone: undefined }

const ownSum = ({ status, quotas }: StorageEntry, waiting: Waiting | undefined): Sum => {
  const limits = status === "removed" ? undefined : limitsOf(quotas)
  return { ...nothing, ...limits, entries: 1, waiting: waiting === undefined ? 0 : 1 }
}

/** The nodes that match, their ancestors, and the sums of the matching entries. */
export const branchesOf = (
  nodes: ReadonlyArray<TreeNode>,
  matches: (node: TreeNode, entry: StorageEntry) => boolean,
): ReadonlyArray<Branch> => {
  const branches: Array<Branch> = []
  for (const node of nodes) {
    const isMatch = node.entry !== undefined && matches(node, node.entry)
    const children = node.children.length === 0 ? noBranches : branchesOf(node.children, matches)
    if (children.length > 0) branches.push({ node, children, sum: total(isMatch ? node.own : nothing, children) })
    else if (isMatch) {
      node.alone ??= { node, children: noBranches, sum: node.own }
      branches.push(node.alone)
    }
  }
  return branches
}

const total = (own: Sum, children: ReadonlyArray<Branch>): Sum => {
  const sum = { ...own }
  for (const { sum: child } of children) {
    sum.entries += child.entries
    sum.waiting += child.waiting
    sum.spaceSoft += child.spaceSoft
    sum.spaceHard += child.spaceHard
    sum.inodesSoft += child.inodesSoft
    sum.inodesHard += child.inodesHard
  }
  return sum
}

/** The visible rows, from top to bottom. */
export const rowsOf = (
  branches: ReadonlyArray<Branch>,
  isExpanded: (node: TreeNode, level: number) => boolean,
): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  const put = (siblings: ReadonlyArray<Branch>, level: number, parent: number) => {
    for (const [at, branch] of siblings.entries()) {
      const expanded = branch.children.length === 0 ? undefined : isExpanded(branch.node, level)
      const own = rows.push({
        branch,
        level,
        position: at + 1,
        siblings: siblings.length,
        isExpanded: expanded,
        parent,
      })
      if (expanded === true) put(branch.children, level + 1, own - 1)
    }
  }
  put(branches, 1, -1)
  return rows
}

/** The entries that match, in the order of the list. */
export const entriesOf = (branches: ReadonlyArray<Branch>): ReadonlyArray<StorageEntry> => {
  const entries: Array<StorageEntry> = []
  const put = (siblings: ReadonlyArray<Branch>) => {
    for (const { node, children } of siblings) {
      if (node.entry !== undefined) entries.push(node.entry)
      put(children)
    }
  }
  put(branches)
  return entries
}

/** The waiting entries among those that match. */
export const waitingIn = (branches: ReadonlyArray<Branch>): ReadonlyArray<Waiting> =>
  branches.flatMap(({ node, children, sum }) =>
    sum.waiting === 0 ? [] : [...(node.waiting === undefined ? [] : [node.waiting]), ...waitingIn(children)],
  )

/** What a key does in the tree grid (WAI-ARIA Authoring Practices, with focus on rows). */
export type KeyEffect = { readonly focus: number } | { readonly toggle: number } | { readonly open: number } | undefined

/** The effect of a key on the focused row. `page` is the number of rows that Page Up and Page Down move by. */
export const effectOfKey = (rows: ReadonlyArray<Row>, at: number, key: string, page: number): KeyEffect => {
  const row = rows[at]
  if (row === undefined) return undefined
  const focus = (index: number) => ({ focus: Math.max(0, Math.min(rows.length - 1, index)) })
  switch (key) {
    case "ArrowDown":
      return focus(at + 1)
    case "ArrowUp":
      return focus(at - 1)
    case "PageDown":
      return focus(at + page)
    case "PageUp":
      return focus(at - page)
    case "Home":
      return focus(0)
    case "End":
      return focus(rows.length - 1)
    case "ArrowRight":
      return row.isExpanded === false ? { toggle: at } : row.isExpanded === true ? focus(at + 1) : undefined
    case "ArrowLeft":
      return row.isExpanded === true ? { toggle: at } : row.parent >= 0 ? focus(row.parent) : undefined
    case "Enter":
    case " ":
      return row.branch.node.entry !== undefined
        ? { open: at }
        : row.isExpanded === undefined
          ? undefined
          : { toggle: at }
    default:
      return undefined
  }
}

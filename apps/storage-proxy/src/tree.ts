/** `storage-proxy tree`. */
import {
  checkSelection,
  escapeControls,
  type ListedEntry,
  listedEntries,
  type ProxySettings,
  type Snapshot,
  snapshotOnce,
} from "@cscs/proxy-server"
import { gidOf, inodesText, property, spaceText } from "@cscs/storage-model"
import { Effect, Record } from "effect"
import { Command, Flag } from "effect/cli"
import { configFlag, settingsFrom } from "./configuration.ts"
import { jsonFlag } from "./json-flag.ts"
import { withProgress } from "./progress.ts"
import { print, printJson } from "./standard-output.ts"
import { colored, statusColor } from "./terminal-text.ts"
import { withShownDefault } from "./valued-flag.ts"

type Entry = ListedEntry["entry"]

/** An entry and its descendants. */
interface Node {
  readonly entry: Entry
  /** Whether the entry passes the filters. Other entries are shown only for their descendants. */
  readonly isWanted: boolean
  readonly below: Array<Node>
}

const filter = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(`${description} (default: all)`), Flag.optional)

/** `storage-proxy tree`: the entries as a tree of directories, for people. */
export const tree = Command.make(
  "tree",
  {
    config: configFlag,
    depth: Flag.Literals("depth", ["1", "2", "3"]).pipe(
      withShownDefault("3", "1: tenants, 2: customers too, 3: all"),
      Flag.map(Number),
    ),
    storageSystem: filter("storage-system", "Only this storage system, like ?storage_system= of the API"),
    dataType: filter("data-type", "Only this data type, like ?data_type="),
    status: filter("status", "Only entries in this status, like ?status=, and their parents"),
    state: filter("state", "Only resources in this Waldur state, like ?state=, and their parents"),
    json: jsonFlag("Print the tree as JSON"),
  },
  Effect.fn(function* ({ config, depth, storageSystem, dataType, status, state, json }) {
    const settings = yield* settingsFrom(config)
    const selection = Record.getSomes({ storage_system: storageSystem, data_type: dataType, status, state })
    const query = yield* Effect.fromResult(checkSelection(selection, settings))
    const snapshot = yield* withProgress(settings, snapshotOnce)
    const tenants = nodesOf(snapshot, query, settings)
    yield* json ? printJson(tenants.map((tenant) => jsonOf(tenant, depth))) : print(textOf(tenants, depth))
  }),
).pipe(
  Command.withDescription(
    "Show the entries as a tree: tenant, customer, resource, with status, mount point, quota and GID. Filters work as in the API; the parents of an entry are shown with it.",
  ),
  Command.withShortDescription("Show the entries as a tree"),
  Command.withExamples([
    { command: "storage-proxy tree --config config.yaml --depth 2", description: "Tenants and customers" },
    {
      command: "storage-proxy tree --storage-system capstor --status updating",
      description: "What is being updated on Capstor",
    },
    { command: "storage-proxy tree --data-type scratch --json", description: "Machine-readable" },
  ]),
)

/** The tenants with their descendants. An entry that passes the filters brings its ancestors. */
const nodesOf = (
  snapshot: Snapshot,
  query: Parameters<typeof listedEntries>[1],
  settings: ProxySettings,
): ReadonlyArray<Node> => {
  const wanted = new Set<number>()
  for (const { position } of listedEntries(snapshot, query, settings)) wanted.add(position)
  const tenants: Array<Node> = []
  // The ancestors of the current entry, and how many of them are already in the tree.
  let above: Array<Node> = []
  let shown = 0
  for (const { position, entry } of listedEntries(snapshot, {}, settings)) {
    const level = levelOf(entry)
    above = above.slice(0, level)
    shown = Math.min(shown, level)
    above.push({ entry, isWanted: wanted.has(position), below: [] })
    if (!wanted.has(position)) continue
    for (; shown <= level; shown++) {
      const node = above[shown]
      if (node !== undefined) (shown === 0 ? tenants : (above[shown - 1]?.below ?? tenants)).push(node)
    }
  }
  return tenants
}

const levelOf = ({ target: { targetType } }: Entry): number =>
  targetType === "tenant" ? 0 : targetType === "customer" ? 1 : 2

const jsonOf = ({ entry, isWanted, below }: Node, depth: number): object => ({
  entry,
  isWanted,
  below: depth > 1 ? below.map((node) => jsonOf(node, depth - 1)) : [],
  ...(depth === 1 && { hidden: sizeOf(below) }),
})

function* textOf(tenants: ReadonlyArray<Node>, depth: number): Generator<string> {
  let last = ""
  for (const tenant of tenants) {
    const { storageSystem, storageDataType } = tenant.entry
    const place = `${storageSystem.key} ${storageDataType.key}`
    if (place !== last) yield `${last === "" ? "" : "\n"}${colored("bold", escapeControls(place))}\n`
    last = place
    yield* linesOf(tenant, depth, "", "")
  }
  if (tenants.length === 0) yield "No entry passes the filters.\n"
}

function* linesOf(node: Node, depth: number, before: string, beforeBelow: string): Generator<string> {
  const hidden = depth === 1 ? sizeOf(node.below) : 0
  const line = node.isWanted ? lineOf(node.entry) : colored("gray", plainLineOf(node.entry))
  yield `${before}${line}${hidden > 0 ? `  (${hidden} below)` : ""}\n`
  if (depth === 1) return
  for (const [index, child] of node.below.entries()) {
    const isLast = index === node.below.length - 1
    yield* linesOf(
      child,
      depth - 1,
      `${beforeBelow}${isLast ? "└── " : "├── "}`,
      `${beforeBelow}${isLast ? "    " : "│   "}`,
    )
  }
}

const sizeOf = (nodes: ReadonlyArray<Node>): number => nodes.reduce((sum, { below }) => sum + 1 + sizeOf(below), 0)

const lineOf = (entry: Entry): string => {
  const { status, mountPoint, quotas } = entry
  const name = escapeControls(nameOf(entry))
  if (levelOf(entry) < 2) return `${colored("bold", name)}  ${mountPoint.default}`
  return [
    name,
    colored(statusColor[status] ?? "reset", status),
    mountPoint.default,
    quotaText(quotas),
    `gid ${gidOf(entry)}`,
  ].join("  ")
}

const plainLineOf = (entry: Entry): string => `${escapeControls(nameOf(entry))}  ${entry.mountPoint.default}`

// Items from Waldur's backend_metadata are served unchanged, so a field may hold anything.
const nameOf = ({ target: { targetType, targetItem } }: Entry): string => {
  const name =
    targetType === "user" ? property(property(targetItem, "primaryProject"), "name") : property(targetItem, "key")
  return typeof name === "string" ? name : "without a name"
}

/** `soft / hard`, or one amount if they are equal. */
const quotaText = (quotas: Entry["quotas"]): string => {
  if (quotas === null) return "no quota"
  const amounts = (type: "space" | "inodes", text: (amount: number) => string) =>
    [...new Set(quotas.filter((quota) => quota.type === type).map(({ quota }) => text(quota)))].join(" / ")
  return `${amounts("space", (tera) => spaceText(tera, "TB"))}, ${amounts("inodes", inodesText)} inodes`
}

/** `storage-proxy diff`. */
import { escapeControls } from "@cscs/proxy-server"
import { Data, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { type Comparison, compareLists, type Difference, type DifferenceKind, type EntryName } from "./compare-lists.ts"
import { jsonFlag } from "./json-flag.ts"
import { type EntryList, listAt, listInFile } from "./read-list.ts"
import { print, printJson } from "./standard-output.ts"
import { colored, shownValue } from "./terminal-text.ts"
import { trustAuthorities } from "./trusted-authorities.ts"
import { WrongCommandLine } from "./wrong-command-line.ts"

/** The lists differ. The differences have been printed. */
class ListsDiffer extends Data.TaggedError("ListsDiffer")<{ readonly count: number }> {
  override get message() {
    return this.count === 1 ? "1 entry differs" : `${this.count} entries differ`
  }
}

const source = (name: string, description: string) =>
  Argument.String(name).pipe(Argument.withDescription(`${description}: a file, or the URL of a running proxy`))

/** `storage-proxy diff`: compares two lists of entries; exit code 4 if they differ. */
export const diff = Command.make(
  "diff",
  {
    old: source("old", "The old list"),
    next: source("new", "The new list"),
    ignore: Flag.String("ignore").pipe(
      Flag.withDescription(
        "Fields that do not count, separated by commas, with everything below; moved and replaced entries count in any case (default: none)",
      ),
      Flag.map((fields) => fields.split(",").map((field) => field.trim())),
      Flag.optional,
    ),
    json: jsonFlag("Print the differences as JSON"),
  },
  Effect.fn(function* ({ old, next, ignore, json }) {
    const { warnings } = trustAuthorities(process.env)
    for (const warning of warnings) process.stderr.write(`${escapeControls(warning)}\n`)
    const [before, after] = yield* Effect.all(
      [listOf(old, process.env.STORAGE_PROXY_OLD_TOKEN), listOf(next, process.env.STORAGE_PROXY_NEW_TOKEN)],
      { concurrency: 2 },
    )
    const comparison = compareLists(
      before.entries,
      after.entries,
      Option.getOrElse(ignore, () => []),
    )
    yield* json ? printJson(jsonOf(before, after, comparison)) : print(textOf(before, after, comparison))
    const count = comparison.differences.length
    if (count > 0) yield* new ListsDiffer({ count })
  }),
).pipe(
  Command.withDescription(
    "Compare two lists of entries, of this proxy or of 0.7.7 or 0.10.0: files (a page as JSON, an export, NDJSON) or URLs, whose pages are read. Needs no configuration. Tokens: STORAGE_PROXY_OLD_TOKEN and STORAGE_PROXY_NEW_TOKEN. Exit code 4 if the lists differ.",
  ),
  Command.withShortDescription("Compare two lists of entries"),
  Command.withExamples([
    {
      command: "storage-proxy diff http://127.0.0.1:8000 http://127.0.0.1:8080",
      description: "Two running proxies, before a cut-over",
    },
    { command: "storage-proxy diff yesterday.json today.ndjson --json", description: "Two exports, machine-readable" },
    {
      command: "storage-proxy diff old.json new.json --ignore itemId,parentItemId,target.targetItem.itemId",
      description: "Without the dashes that 0.7.7 omits",
    },
  ]),
)

const listOf = (given: string, token: string | undefined) =>
  Effect.gen(function* () {
    if (!/^https?:\/\//i.test(given)) return yield* listInFile(given)
    const url = URL.canParse(given) ? new URL(given) : undefined
    // Not repeated: it may contain a password.
    if (url === undefined || url.username !== "" || url.password !== "") {
      return yield* new WrongCommandLine({
        message: "A URL is not valid, or contains a login: a token belongs in the environment",
      })
    }
    return yield* listAt(url, token?.trim() || undefined)
  })

const countsOf = (names: ReadonlyArray<string>): ReadonlyArray<readonly [string, number]> =>
  [...Map.groupBy(names, (name) => name)]
    .map(([name, all]) => [name, all.length] as const)
    .toSorted(([, a], [, b]) => b - a)

const fieldsOf = ({ differences }: Comparison) =>
  countsOf(differences.flatMap(({ changes }) => changes.map(({ field }) => field)))

const jsonOf = (before: EntryList, after: EntryList, comparison: Comparison) => ({
  old: { source: before.source, entries: before.entries.length },
  new: { source: after.source, entries: after.entries.length },
  equal: comparison.equal,
  kinds: Object.fromEntries(countsOf(comparison.differences.map(({ kind }) => kind))),
  /** How often each field differs. */
  fields: Object.fromEntries(fieldsOf(comparison)),
  differences: comparison.differences,
})

/** In the order of the output: what a provisioner must not miss comes first. */
const kinds: ReadonlyArray<readonly [kind: DifferenceKind, color: "red" | "yellow" | "green", meaning: string]> = [
  ["gone", "red", "only in the old list"],
  ["replaced", "red", "another item at the mount point"],
  ["moved", "yellow", "the item is at another mount point"],
  ["added", "green", "only in the new list"],
  ["changed", "yellow", "other fields"],
]

/** Maximum number of entries of a kind that are listed individually. */
const maxListed = 100

function* textOf(before: EntryList, after: EntryList, comparison: Comparison): Generator<string> {
  const { equal, differences } = comparison
  yield `old  ${escapeControls(before.source)}  ${before.entries.length} entries\n`
  yield `new  ${escapeControls(after.source)}  ${after.entries.length} entries\n`
  yield `${equal} equal\n`
  for (const [kind, color, meaning] of kinds) {
    const all = differences.filter((one) => one.kind === kind)
    if (all.length === 0) continue
    yield `\n${colored(color, `${all.length} ${kind}`)}: ${meaning}\n`
    for (const one of all.slice(0, maxListed)) yield* linesOf(one)
    if (all.length > maxListed) yield `  and ${all.length - maxListed} more (--json names all)\n`
  }
  const fields = fieldsOf(comparison)
  if (fields.length > 0) yield "\nentries by field that differs\n"
  for (const [field, count] of fields.slice(0, maxListed))
    yield `  ${String(count).padStart(6)}  ${escapeControls(field)}\n`
}

function* linesOf(difference: Difference): Generator<string> {
  const { old, new: next, changes } = difference
  yield `  ${nameOf(old ?? next)}\n`
  for (const change of changes) {
    const [was, is] = (["old", "new"] as const).map((side) => (side in change ? shownShort(change[side]) : "absent"))
    yield `    ${colored("gray", escapeControls(change.field))}: ${was} → ${is}\n`
  }
}

const nameOf = (name: EntryName | undefined) =>
  [
    name?.mountPoint ?? "without a mount point",
    name?.itemId ?? "without an item id",
    name?.status ?? "without a status",
  ]
    .map((text) => shownShort(text))
    .join("  ")

/** Characters of a value that are shown. A mount point may be longer, but JSON has it all. */
const maxShown = 300

const shownShort = (value: unknown) => {
  const text = shownValue(value)
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text
}

/** `storage-proxy explain`. */
import { type EntryExplanation, escapeControls, explainEntry } from "@cscs/proxy-server"
import { Data, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { configFlag, settingsFrom } from "./configuration.ts"
import { jsonFlag } from "./json-flag.ts"
import { withProgress } from "./progress.ts"
import { print, printJson } from "./standard-output.ts"
import { colored, shownValue, statusColor } from "./terminal-text.ts"

type Explained = EntryExplanation["found"][number]

/** No requested entry is served. The reasons have been printed. */
class NotInTheList extends Data.TaggedError("NotInTheList")<{ readonly asked: string; readonly found: number }> {
  override get message() {
    return this.found === 0
      ? `Nothing found for ${escapeControls(this.asked)}`
      : `${escapeControls(this.asked)} is not in the list: see the reason above`
  }
}

/** `storage-proxy explain`: where an entry comes from, why a resource is absent, and what must happen next. */
export const explain = Command.make(
  "explain",
  {
    what: Argument.String("what").pipe(
      Argument.withDescription(
        "A UUID of a resource, customer or offering; a slug of a resource, project, customer or provider; or a mount point",
      ),
    ),
    config: configFlag,
    json: jsonFlag("Print the explanation as JSON"),
  },
  Effect.fn(function* ({ what, config, json }) {
    const settings = yield* settingsFrom(config)
    const explanation = yield* withProgress(settings, (_, onProgress) => explainEntry(settings, what, onProgress))
    yield* json ? printJson(explanation) : print(textOf(explanation))
    const { found } = explanation
    if (!found.some(({ entry }) => entry !== null)) yield* new NotInTheList({ asked: what, found: found.length })
  }),
).pipe(
  Command.withDescription(
    "Explain where an entry comes from, rule by rule, or why a resource is not in the list, and what must happen next. Reads Waldur and the HPC User API; changes nothing. Exit code 3 if nothing that was asked for is in the list.",
  ),
  Command.withShortDescription("Explain where an entry comes from, or why it is absent"),
  Command.withExamples([
    { command: "storage-proxy explain capstor-climphys --config config.yaml", description: "By the resource's slug" },
    {
      command: "storage-proxy explain /capstor/store/cscs/ethz/exclaim",
      description: "All resources that claim a mount point, skipped ones included",
    },
    {
      command: "storage-proxy explain 4154c7fa-3677-5a64-8134-52691da98fa8 --json",
      description: "By UUID, machine-readable",
    },
  ]),
)

function* textOf({ ask, found, lookedAt, offerings, nearest }: EntryExplanation): Generator<string> {
  if (found.length === 0) {
    const [[kind, asked] = []] = Object.entries(ask)
    yield `Nothing has the ${kind} ${shownValue(asked)} among ${lookedAt.resources} resources, `
    yield `${lookedAt.malformed} bad records, ${lookedAt.tenants} tenants and ${lookedAt.customers} customers `
    yield `of ${offerings.join(", ")}.\n`
    yield "Waldur does not show a provider what the consumer's side has yet to approve, nor what its token may not see.\n"
    if (nearest.length > 0) yield `Did you mean ${nearest.map(escapeControls).join(", or ")}?\n`
    return
  }
  for (const [index, one] of found.entries()) {
    if (index > 0) yield "\n"
    yield* blockOf(one)
  }
}

/** Maximum number of resources below a tenant or customer that are listed individually. */
const maxBelow = 20

function* blockOf(one: Explained): Generator<string> {
  const { kind, uuid, slug, offeringSlug, entry, parents, below, notes, skipped, warnings, next } = one
  const name = colored("bold", escapeControls(slug ?? "without a slug"))
  yield `${kind} ${name}  ${uuid ?? "without a uuid"}  offering ${escapeControls(offeringSlug ?? "unknown")}\n`
  if (entry !== null) {
    const status = colored(statusColor[entry.status] ?? "reset", entry.status)
    yield `  served as ${status} at ${entry.mountPoint.default}\n`
  } else yield `  ${colored("red", "not in the list")}\n`
  for (const parent of parents)
    yield `  below the ${parent.kind} ${escapeControls(parent.name)} at ${parent.mountPoint}\n`
  if (skipped !== null) yield finding(skipped, "red")
  for (const warning of warnings) yield finding(warning, "yellow")
  if (next !== null)
    yield `  ${colored("bold", "next")} ${next.by === "none" ? "" : `(${next.by}) `}${escapeControls(next.what)}\n`
  const longest = Math.max(0, ...notes.map(({ part }) => part.length))
  for (const { part, value, from, reason } of notes) {
    yield `  ${part.padEnd(longest)}  ${colored("cyan", value === null ? "none" : shownValue(value))}\n`
    yield `  ${" ".repeat(longest)}  ${colored("gray", escapeControls(`${from}: ${reason}`))}\n`
  }
  if (below.length === 0) return
  yield `  ${below.length} below\n`
  for (const { slug, mountPoint, status, skipped } of below.slice(0, maxBelow)) {
    yield `    ${escapeControls(slug)}  ${skipped === null ? `${status} at ${mountPoint}` : `skipped: ${skipped}`}\n`
  }
  if (below.length > maxBelow) yield `    and ${below.length - maxBelow} more (--json names all)\n`
}

const finding = (
  {
    code,
    field,
    found,
    reason,
  }: Pick<NonNullable<Explained["skipped"]>, "field" | "found" | "reason"> & { code: string },
  color: "red" | "yellow",
) => `  ${colored(color, code)} ${escapeControls(field)} is ${shownValue(found)}: ${escapeControls(reason)}\n`

import { checkSelection, listedEntries, type Snapshot, snapshotOnce } from "@cscs/proxy-server"
import { Console, Effect, Option, Record } from "effect"
import { Command, Flag } from "effect/cli"
import { writeAtomically } from "./atomic-write.ts"
import { configFlag, settingsFrom } from "./configuration.ts"
import { jsonFlag } from "./json-flag.ts"
import { withProgress } from "./progress.ts"
import { print, printJson } from "./standard-output.ts"
import { withShownDefault } from "./valued-flag.ts"
import { WrongCommandLine } from "./wrong-command-line.ts"

/** `storage-proxy export`: writes all entries once, to standard output or to a file that is complete at any moment. */
export const exportEntries = Command.make(
  "export",
  {
    config: configFlag,
    out: Flag.Path("out", { pathType: "either" }).pipe(
      Flag.withDescription("The file (default: standard output)"),
      Flag.optional,
    ),
    format: Flag.Literals("format", ["json", "ndjson"]).pipe(
      withShownDefault("json" as const, "One JSON list, or one entry on each line"),
    ),
    storageSystem: Flag.String("storage-system").pipe(
      Flag.withDescription("Only this storage system, like ?storage_system= of the API (default: all)"),
      Flag.optional,
    ),
    offeringUuid: Flag.String("offering-uuid").pipe(
      Flag.withDescription("Only the entries of this Waldur offering (default: all)"),
      Flag.optional,
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Write nothing; report what would be written"),
      Flag.withDefault(false),
    ),
    json: jsonFlag("Print what was done as JSON; with --out or --dry-run"),
  },
  Effect.fn(function* ({ config, out, format, storageSystem, offeringUuid, dryRun, json }) {
    if (json && Option.isNone(out) && !dryRun) {
      return yield* new WrongCommandLine({
        message: "--json needs --out or --dry-run: otherwise standard output contains the entries",
      })
    }
    const settings = yield* settingsFrom(config)
    const selection = Record.getSomes({ storage_system: storageSystem, offering_uuid: offeringUuid })
    const query = yield* Effect.fromResult(checkSelection(selection, settings))
    const snapshot = yield* withProgress(settings, snapshotOnce)
    const counted = counts()
    const written = counted.of(listedEntries(snapshot, query, settings))
    const texts = format === "json" ? listOf(written) : linesOf(written)
    if (dryRun) for (const _ of written);
    else yield* Option.isSome(out) ? writeAtomically(out.value, texts) : print(texts)

    const done = summary(snapshot, counted.bySystem, { out: Option.getOrNull(out), format, dryRun })
    for (const warning of done.warnings) yield* Console.error(warning)
    if (json) return yield* printJson(done)
    const report = `${lines(done).join("\n")}\n`
    if (dryRun) return yield* print([report])
    // A timer job prints nothing unless something is wrong.
    if (process.stderr.isTTY) process.stderr.write(report)
  }),
).pipe(
  Command.withDescription(
    "Write all entries once. A file is replaced atomically: if the command is killed, the old or the new file remains. If an upstream fails, the old one remains.",
  ),
  Command.withShortDescription("Write all entries once, to a file or to standard output"),
  Command.withExamples([
    {
      command: "storage-proxy export --config config.yaml --out entries.json",
      description: "All entries as one JSON list",
    },
    {
      command: "storage-proxy export --out capstor.ndjson --format ndjson --storage-system capstor",
      description: "One storage system, an entry on each line",
    },
    { command: "storage-proxy export --dry-run --json", description: "What would be written, for programs" },
  ]),
)

/** Counts the entries that pass through, by storage system. */
const counts = () => {
  const bySystem: Record<string, number> = {}
  return {
    bySystem,
    of: function* (entries: ReturnType<typeof listedEntries>): Generator<string> {
      for (const { json, entry } of entries) {
        const { key } = entry.storageSystem
        bySystem[key] = (bySystem[key] ?? 0) + 1
        yield json
      }
    },
  }
}

function* listOf(written: Iterable<string>): Generator<string> {
  let before = "[\n  "
  for (const json of written) {
    yield before + json
    before = ",\n  "
  }
  yield before.startsWith("[") ? "[]\n" : "\n]\n"
}

function* linesOf(written: Iterable<string>): Generator<string> {
  for (const json of written) yield `${json}\n`
}

const summary = (
  { skipped, invisibleOfferings, mockedGids }: Snapshot,
  entries: Readonly<Record<string, number>>,
  how: { readonly out: string | null; readonly format: string; readonly dryRun: boolean },
) => ({
  ...how,
  /** Keyed by storage system. */
  entries,
  total: Object.values(entries).reduce((sum, count) => sum + count, 0),
  /** Skipped resources of all systems, by reason. */
  skipped: countsOf(skipped.map(({ code }) => code)),
  warnings: [
    ...invisibleOfferings.map((slug) => `Waldur's token does not see the offering ${slug}: its entries are missing`),
    ...(mockedGids > 0 ? [`${mockedGids} ${mockedGids === 1 ? "project has" : "projects have"} a mock GID`] : []),
  ],
})

const countsOf = (codes: ReadonlyArray<string>): Readonly<Record<string, number>> => {
  const found: Record<string, number> = {}
  for (const code of codes) found[code] = (found[code] ?? 0) + 1
  return found
}

const lines = ({ out, dryRun, entries, total, skipped }: ReturnType<typeof summary>): ReadonlyArray<string> => [
  `${dryRun ? "Would write" : "Wrote"} ${total} entries to ${out ?? "standard output"}`,
  ...Object.entries(entries).map(([system, count]) => `  ${system}: ${count}`),
  ...Object.entries(skipped).map(([code, count]) => `  skipped, ${code}: ${count}`),
]

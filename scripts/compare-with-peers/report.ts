/** The comparison as a page of Markdown. */
import type { DeadlyRecord } from "./deadly-records.ts"
import type { ComparedLists, Difference } from "./differences.ts"
import { type ContractLine, entryLines } from "./entry-classes.ts"
import { at, shown, textAt } from "./json-values.ts"
import { kindOf } from "./listings.ts"
import { type PeerVersion, peers } from "./peers.ts"
import { type ComparedQuery, type QueryDifference, queryLines } from "./queries.ts"

/** One peer and ours, served the same world. */
export interface ComparedWorld {
  readonly world: "orderly" | "odd"
  readonly peer: PeerVersion
  /** How many the world has, those left away for the peer's sake included. */
  readonly resources: number
  /** Of the sandbox's Waldur: no two runs have the same. */
  readonly address: string
  /** Uuid to label, for odd records. */
  readonly labels: ReadonlyMap<string, string>
  /** Our entries where nothing is left away. */
  readonly ourWhole: number
  /** What the peer said to the whole world, where it had no list. */
  readonly refusal: string | undefined
  readonly deadly: ReadonlyArray<DeadlyRecord>
  readonly lists: ComparedLists
  readonly classified: ReadonlyArray<{ readonly difference: Difference; readonly classes: ReadonlyArray<string> }>
  readonly queries: ReadonlyArray<ComparedQuery>
}

export interface Environment {
  readonly date: string
  readonly command: string
  readonly commit: string
  /** Whether what ran is not that commit alone. */
  readonly uncommitted: boolean
  readonly node: string
  readonly python: string
}

const unexplainedIn = ({ classified }: ComparedWorld) =>
  classified.filter(({ classes }) => classes.length === 0).map(({ difference }) => difference)

const unexplainedQueries = ({ queries }: ComparedWorld): ReadonlyArray<QueryDifference> =>
  queries.flatMap(({ differences }) => differences.filter(({ explainedBy }) => explainedBy === undefined))

export const countUnexplained = (worlds: ReadonlyArray<ComparedWorld>): number =>
  worlds.reduce((count, world) => count + unexplainedIn(world).length + unexplainedQueries(world).length, 0)

export const report = (worlds: ReadonlyArray<ComparedWorld>, about: Environment): string =>
  [
    "# Comparison with the two predecessors",
    "",
    `Written by \`scripts/compare-with-peers\` on ${about.date}; not by hand. To repeat it:`,
    "",
    "```sh",
    about.command,
    "```",
    "",
    `Ours: commit ${about.commit}${about.uncommitted ? " with uncommitted changes" : ""}, Node ${about.node}. Theirs, with Python ${about.python}:`,
    "",
    ...peers.map((peer) => `- **${peer.version}**: \`${peer.requirements.map(quoted).join(" ")}\``),
    "",
    "All three read the same sandbox: Waldur, the HPC User API and its token endpoint on loopback.",
    "A difference counts as explained only where our side is what the contract wants, computed by the script from",
    "Waldur's rows, and theirs is the one thing that a class below describes. All else is unexplained, and the script",
    "then ends with exit code 1. No class accepts two differing GIDs of the HPC User API's; where GIDs differ at all, ours is",
    "that API's and theirs is one that stands in Waldur's `backend_metadata` and may not be used.",
    "",
    "## Whole lists",
    "",
    "- *orderly*: resources with nothing odd about them. *odd*: one record for each oddity that the sandbox knows.",
    "- Entries are the same one by uuid for a resource, and for a tenant or customer by uuid, data type and the tenant",
    "  above. Not by mount point, which 0.10.0 moves. UUIDs are compared dashed and in lower case.",
    "- The order of keys and 10 against 10.0 are no differences; they are counted in the last two columns.",
    "- A record that costs a peer its whole list is left away, for ours too, so that there is something to compare.",
    "",
    ...table(
      [
        "world",
        "peer",
        "resources",
        "left away",
        "ours",
        "theirs",
        "equal",
        "differing",
        "only ours",
        "only theirs",
        "key order",
        "10 / 10.0",
      ],
      worlds.map(({ world, peer, resources, deadly, lists }) => [
        world,
        peer,
        resources,
        deadly.length,
        lists.ours,
        lists.theirs,
        lists.equal,
        lists.differing,
        lists.onlyOurs,
        lists.onlyTheirs,
        lists.keyOrder,
        lists.numberSpelling,
      ]),
    ),
    "",
    ...refusals(worlds),
    "## Unexplained",
    "",
    ...unexplained(worlds),
    "",
    "## Differences of entries, by class",
    "",
    "Counted in entries, orderly world + odd world. The line is the contract's.",
    "",
    ...entryClassTable(worlds),
    "",
    "## Records that cost a peer its whole list",
    "",
    "Found by serving each odd record alone. With all of them in the world, ours has its list: see above.",
    "",
    ...peers.flatMap(({ version }) => deadlyTable(version, worlds)),
    "## Queries",
    "",
    "Asked in the orderly world: status, and entries on the page. What follows from a difference of the whole lists is",
    "not counted again, but as `same-filter-of-another-list`.",
    "",
    ...queryTable(worlds),
    "",
    "Counted in queries:",
    "",
    ...queryClassTable(worlds),
    "",
  ].join("\n")

const quoted = (requirement: string) => (/[<>,]/.test(requirement) ? `"${requirement}"` : requirement)

const cell = (value: string | number) => String(value).replaceAll("|", "\\|").replaceAll("\n", " ")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string | number>>) => [
  `| ${head.join(" | ")} |`,
  `|${head.map(() => "---").join("|")}|`,
  ...rows.map((row) => `| ${row.map(cell).join(" | ")} |`),
]

const code = (text: string) => (text.includes("`") ? text : `\`${text}\``)

const refusals = (worlds: ReadonlyArray<ComparedWorld>) => {
  const lines = worlds.flatMap(({ world, peer, refusal, ourWhole }) =>
    refusal === undefined
      ? []
      : [
          `- ${peer} has no list for the whole ${world} world, of which ours serves ${ourWhole} entries. It answers ${code(refusal)}`,
        ],
  )
  return lines.length === 0 ? [] : [...lines, ""]
}

const neutral = ({ address }: ComparedWorld, text: string) => text.replaceAll(address, "http://waldur/api/")

/** An odd record by its label, any other entry by its path. */
const placeOf = (compared: ComparedWorld, { row, ourEntry, theirEntry }: Difference): string => {
  const label = typeof row?.uuid === "string" ? compared.labels.get(row.uuid) : undefined
  return label ?? shown(textAt(ourEntry ?? theirEntry, "mountPoint.default"), 60)
}

/** Quotas as their four numbers: space soft and hard, inodes soft and hard. */
const briefly = (value: unknown): string =>
  Array.isArray(value) && value.length > 0 && value.every((one) => at(one, "enforcementType") !== undefined)
    ? `[${value.map((one) => at(one, "quota")).join(", ")}]`
    : shown(value, 90)

const exampleOf = (compared: ComparedWorld, difference: Difference): string => {
  const { kind, path, ours, theirs, ourEntry, theirEntry } = difference
  const entry = ourEntry ?? theirEntry
  const of = `${entry === undefined ? "" : kindOf(entry)} ${placeOf(compared, difference)}`
  switch (kind) {
    case "field":
      return neutral(compared, `${of}, ${path}: ours ${briefly(ours)}, theirs ${briefly(theirs)}`)
    case "only-ours":
      return `${of}: only ours`
    case "only-theirs":
      return `${of}: only theirs`
    case "order":
      return `${of}: place ${ours} in ours, ${theirs} in theirs`
  }
}

const unexplained = (worlds: ReadonlyArray<ComparedWorld>) => {
  const rows = worlds.flatMap((compared) => [
    ...unexplainedIn(compared).map((difference) => [
      compared.peer,
      compared.world,
      code(exampleOf(compared, difference)),
    ]),
    ...unexplainedQueries(compared).map(({ query, path, ours, theirs }) => [
      compared.peer,
      "query",
      code(neutral(compared, `${query} → ${path}: ours ${shown(ours)}, theirs ${shown(theirs)}`)),
    ]),
  ])
  return rows.length === 0 ? ["None."] : table(["peer", "world", "difference"], rows)
}

/** The classes that occur, each with its counts. */
const classTable = (
  lines: ReadonlyArray<ContractLine>,
  countOf: (name: string, peer: PeerVersion) => string,
  exampleOfClass: (name: string) => string,
) =>
  table(
    ["class", "theirs", "the contract", ...peers.map(({ version }) => version), "example"],
    lines
      .filter(({ name }) => exampleOfClass(name) !== "")
      .map(({ name, theirs, section, line }) => [
        name,
        theirs,
        `§${section}: ${line}`,
        ...peers.map(({ version }) => countOf(name, version)),
        exampleOfClass(name),
      ]),
  )

const entryClassTable = (worlds: ReadonlyArray<ComparedWorld>) => {
  const found = (name: string, compared: ComparedWorld) =>
    compared.classified.filter(({ classes }) => classes.includes(name)).map(({ difference }) => difference)
  return classTable(
    entryLines,
    (name, version) =>
      worlds
        .filter(({ peer }) => peer === version)
        .map((compared) => new Set(found(name, compared).map(({ key }) => key)).size)
        .join(" + "),
    (name) => {
      for (const compared of worlds) {
        const [first] = found(name, compared)
        if (first !== undefined) return code(exampleOf(compared, first))
      }
      return ""
    },
  )
}

const deadlyTable = (version: PeerVersion, worlds: ReadonlyArray<ComparedWorld>) => {
  const records = worlds.filter(({ peer }) => peer === version).flatMap(({ deadly }) => deadly)
  return [
    `### ${version}: ${records.length}`,
    "",
    ...table(
      ["record", "what is odd", "answer"],
      records.map(({ label, about, status, said, alone }) => [
        label,
        about,
        `${status}${alone ? "" : " (not alone)"}: ${code(said)}`,
      ]),
    ),
    "",
  ]
}

const answerText = (status: number, entries: number | undefined) =>
  entries === undefined ? String(status) : `${status}, ${entries}`

const queryTable = (worlds: ReadonlyArray<ComparedWorld>) => {
  const asked = worlds.filter(({ queries }) => queries.length > 0)
  const [first] = asked
  return table(
    ["query", "ours", ...asked.map(({ peer }) => peer)],
    (first?.queries ?? []).map(({ query, ourStatus, ourEntries }, index) => [
      query === "" ? "(none)" : code(query),
      answerText(ourStatus, ourEntries),
      ...asked.map(({ queries }) => {
        const one = queries[index]
        return one === undefined ? "" : answerText(one.theirStatus, one.theirEntries)
      }),
    ]),
  )
}

const queryClassTable = (worlds: ReadonlyArray<ComparedWorld>) => {
  const found = (name: string, { queries }: ComparedWorld) =>
    queries.flatMap(({ differences }) => differences.filter(({ explainedBy }) => explainedBy === name))
  return classTable(
    queryLines,
    (name, version) => {
      const matching = worlds.filter(({ peer }) => peer === version).flatMap((compared) => found(name, compared))
      return String(new Set(matching.map(({ query }) => query)).size)
    },
    (name) => {
      for (const compared of worlds) {
        const [one] = found(name, compared)
        if (one !== undefined) {
          const what =
            one.path === "entries"
              ? "entries differ"
              : `${one.path}: ours ${shown(one.ours, 90)}, theirs ${shown(one.theirs, 90)}`
          return code(neutral(compared, `${one.query === "" ? "(none)" : one.query} → ${what}`))
        }
      }
      return ""
    },
  )
}

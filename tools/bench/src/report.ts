/** The document of a run. */

import { oneDecimal, twoDecimals } from "./figures.ts"
import type { Surroundings } from "./machine.ts"
import type { Section, Table, Target } from "./section.ts"

export interface Run {
  readonly surroundings: Surroundings
  /** Library -> version. */
  readonly versions: Readonly<Record<string, string>>
  readonly sections: ReadonlyArray<Section>
  /** Duration of the run in minutes. */
  readonly minutes: number
  /** Hand-written notes on the profiles. */
  readonly notes: string
}

export const report = ({ surroundings, versions, sections, minutes, notes }: Run): string => {
  const { date, command, commit, processor, cores, memory, system, node, load } = surroundings
  const targets = sections.flatMap((section) => section.targets)
  const missed = targets.filter(({ met }) => !met)
  return `${[
    "# Benchmarks",
    `Written by \`${command}\` (tools/bench), which ran ${oneDecimal(minutes)} minutes. Do not edit: what is written by hand is in tools/bench/src/notes.md.`,
    table({
      head: ["", ""],
      rows: [
        ["date", date],
        ["commit", commit],
        ["processor", `${processor}, ${cores} cores`],
        ["memory", `${oneDecimal(memory)} GB`],
        ["system", system],
        ["load before the run", `${twoDecimals(load)} of ${cores} cores`],
        ["Node", node],
        ...Object.entries(versions).map(([library, version]) => [`\`${library}\``, version]),
      ],
    }),
    setUp,
    "## Targets",
    missed.length === 0 ? `All ${targets.length} are met.` : `${missed.length} of ${targets.length} are missed.`,
    table({ head: ["", "target", "found"], rows: targets.map(targetRow) }),
    ...sections.flatMap(({ question, how, table: found }) => [
      `## ${question}`,
      how,
      ...(found.rows.length === 0 ? [] : [table(found)]),
    ]),
    notes.trim(),
  ].join("\n\n")}\n`
}

const setUp = `What was run: the folder of the image (deploy/make-app-folder.ts), with the image's environment, \`storage-proxy serve\`,
authentication disabled, the HPC User API configured. Waldur, the
HPC User API and the issuer are the sandbox (apps/sandbox), a process of its own, as are the load generator and the bare
server; all share the machine's cores over loopback. The sandbox's resources are all valid; 3 % have an order in progress.
Unless it says otherwise Waldur answers at once (0 ms). MB are 1,000,000 bytes.`

const targetRow = ({ wanted, found, met }: Target) => [met ? "pass" : "**FAIL**", wanted, found]

const table = ({ head, rows }: Table): string =>
  [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${head.map((_, index) => (row[index] ?? "").replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n")

/** The document of a run. */
import { placement } from "./cores.ts"
import { oneDecimal, twoDecimals } from "./figures.ts"
import { generator } from "./load.ts"
import type { Surroundings } from "./machine.ts"
import type { Row, Section } from "./section.ts"

export interface Run {
  readonly surroundings: Surroundings
  readonly sections: ReadonlyArray<Section>
  /** Duration of the run in minutes. */
  readonly minutes: number
  /** Hand-written notes. */
  readonly notes: string
}

/** @param head names of the columns, separated by ` | ` */
export const tableOf = (head: string, rows: ReadonlyArray<Row>): string => {
  const names = head.split(" | ")
  return [names, names.map(() => "---"), ...rows]
    .map((row) => `| ${names.map((_, index) => (row[index] ?? "").replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n")
}

export const report = ({ surroundings, sections, minutes, notes }: Run): string => {
  const { date, command, commit, processor, cores, memory, system, node, load } = surroundings
  const targets = sections.flatMap((section) => section.targets)
  const missed = targets.filter(({ met }) => !met)
  return `${[
    "# Benchmarks",
    `Written by \`${command}\` (tools/bench), which ran ${oneDecimal(minutes)} minutes. Do not edit: what is written by hand is in tools/bench/src/notes.md.`,
    tableOf(" | ", [
      ["date", date],
      ["commit", commit],
      ["processor", `${processor}, ${cores} cores`],
      ["memory", `${oneDecimal(memory)} GB`],
      ["system", system],
      ["load before the run", `${twoDecimals(load)} of ${cores} cores`],
      ["load generator", generator],
      ["Node", node],
    ]),
    setUp,
    "## Targets",
    missed.length === 0 ? `All ${targets.length} are met.` : `${missed.length} of ${targets.length} are missed.`,
    tableOf(
      " | target | found",
      targets.map(({ wanted, found, met }) => [met ? "pass" : "**FAIL**", wanted, found]),
    ),
    ...sections.flatMap(({ question, how, head, rows }) => [`## ${question}`, how, tableOf(head, rows)]),
    notes.trim(),
  ].join("\n\n")}\n`
}

const setUp = `Measured is the folder of the image (deploy/make-app-folder.ts), started as npx starts it, unless a row says otherwise: its
executable through a link, without the image's environment. \`storage-proxy serve\`, callers with a valid JWT, the HPC User
API configured. Waldur, the HPC User API and the issuer are the sandbox (apps/sandbox), a process of its own. ${placement}
The sandbox's resources are all valid; 3 % have an order in progress, unless a section says otherwise. Waldur responds at
once (0 ms), unless a row says otherwise. MB are 1,000,000 bytes.`

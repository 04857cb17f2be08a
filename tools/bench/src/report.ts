/** The document of a run. */
import { oneDecimal } from "./figures.ts"
import { type Row, type Section, setUp } from "./questions.ts"

/** @param head names of the columns, separated by ` | ` */
export const tableOf = (head: string, rows: ReadonlyArray<Row>): string => {
  const names = head.split(" | ")
  return [names, names.map(() => "---"), ...rows]
    .map((row) => `| ${names.map((_, index) => (row[index] ?? "").replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n")
}

/**
 * @param machine the rows of the table about it
 * @param minutes the duration of the run
 * @param notes written by hand
 */
export const report = (
  machine: ReadonlyArray<Row>,
  sections: ReadonlyArray<Omit<Section, "name" | "sizes" | "measure">>,
  minutes: number,
  notes: string,
): string => {
  const targets = sections.flatMap((section) => section.targets)
  const missed = targets.filter(({ met }) => !met)
  return `${[
    "# Benchmarks",
    `Written by \`${["pnpm bench", ...process.argv.slice(2)].join(" ")}\` (tools/bench), which ran ${oneDecimal(minutes)} minutes. Do not edit: what is written by hand is in notes.md and method.md of tools/bench/src.`,
    tableOf(" | ", machine),
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

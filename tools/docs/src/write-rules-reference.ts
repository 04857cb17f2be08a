/** Writes docs/rules.md from the model's catalogue of rules. With `--check` it only reports a stale page. */
import { rules, skipCodes, warningCodes } from "@cscs/storage-model"
import { writeOrCheck } from "./write-or-check.ts"

const table = (head: string, rows: ReadonlyArray<readonly [string, string]>) =>
  [`| ${head} | |`, "|---|---|", ...rows.map(([name, sentence]) => `| \`${name}\` | ${sentence} |`)].join("\n")

/** Shows placeholders, which are names in braces, in italics. */
const withFacts = (sentence: string) => sentence.replace(/\{(\w+)\}/g, (_, fact: string) => `*${fact}*`)

const titleOf = (group: string) => `${group.slice(0, 1).toUpperCase()}${group.slice(1).replaceAll("-", " ")}`

const sections = [...Map.groupBy(Object.entries(rules), ([id]) => id.split("/", 1)[0] ?? "")].map(([group, found]) => {
  const rows = found.map(([id, sentence]) => [id.slice(group.length + 1), withFacts(sentence)] as const)
  return `## ${titleOf(group)}\n\n${table("rule", rows)}`
})

const page = `# Rules

One of these rules decides each value of an entry. \`storage-proxy explain\` prints the deciding field and the rule's sentence,
with the actual values instead of the words in italics. This page is generated from the catalogue in
\`packages/storage-model/src/report/rules.ts\`.

${sections.join("\n\n")}

## Skipped resources

Codes in logs, metrics and debug mode for resources that are not in the list.

${table("code", Object.entries(skipCodes))}

## Warnings

Codes for resources and customers that are served although something about them is odd.

${table("code", Object.entries(warningCodes))}
`

writeOrCheck({ "docs/rules.md": page })

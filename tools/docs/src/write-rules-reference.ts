/** Writes docs/rules.md from the model's own catalogue. With `--check` it only reports a stale page. */
import { rules, skipCodes, warningCodes } from "@cscs/storage-model"
import { writeOrCheck } from "./write-or-check.ts"

const table = (head: string, rows: ReadonlyArray<readonly [string, string]>) =>
  [`| ${head} | |`, "|---|---|", ...rows.map(([name, sentence]) => `| \`${name}\` | ${sentence} |`)].join("\n")

/** A name in braces is a placeholder for a fact of the case. */
const withFacts = (sentence: string) => sentence.replace(/\{(\w+)\}/g, (_, fact: string) => `*${fact}*`)

const titleOf = (group: string) => `${group.slice(0, 1).toUpperCase()}${group.slice(1).replaceAll("-", " ")}`

const sections = [...Map.groupBy(Object.entries(rules), ([id]) => id.split("/", 1)[0] ?? "")].map(([group, found]) => {
  const rows = found.map(([id, sentence]) => [id.slice(group.length + 1), withFacts(sentence)] as const)
  return `## ${titleOf(group)}\n\n${table("rule", rows)}`
})

const page = `# Rules

Every value of an entry is decided by one of these rules; \`storage-proxy explain\` names the field that decided and gives
the sentence, with the facts of the case in place of what is in italics here. The page is written from the catalogue in
\`packages/storage-model/src/report/rules.ts\`.

${sections.join("\n\n")}

## Skipped resources

The codes in logs, metrics and debug mode of resources that are not in the list.

${table("code", Object.entries(skipCodes))}

## Warnings

The codes of what is odd about a resource or customer that is served all the same.

${table("code", Object.entries(warningCodes))}
`

writeOrCheck({ "docs/rules.md": page })

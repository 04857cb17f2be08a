/**
 * Finds regular expressions with superlinear time, for which a few thousand characters from an upstream or a caller would
 * block the process. recheck analyses every literal and every `RegExp(…)` in the sources; tests are excluded, because they
 * read only their own text. Prints each expression that is not linear or cannot be analysed, and then exits with 1.
 *
 * An expression that reads only short or trusted text is allowed if a preceding comment has the reason: `// safe-regex:
 * the key is one of ours`.
 */
import { globSync, readFileSync } from "node:fs"
import { expressionsOf, faultOf } from "./regexes.ts"

const files = globSync(["*.ts", "{packages,apps,tools,deploy}/**/*.{ts,tsx,mts,js,mjs}"], {
  exclude: (path) => /(^|\/)(node_modules|dist|test[a-z-]*)$/.test(path),
})
  .filter((file) => !file.endsWith(".d.ts"))
  .toSorted()
const found = files.map((file) => expressionsOf(file, readFileSync(file, "utf8")))
const expressions = found.flatMap((one) => one.expressions)
if (files.length < 200 || expressions.length < 100) {
  throw new Error(`Only ${expressions.length} expressions in ${files.length} files were read: the check is ineffective`)
}

/** Keyed by pattern and flags, because many occur in several places. */
const faults = new Map<string, string | undefined>()
const problems: Array<string> = []
for (const one of expressions.filter(({ isJustified }) => !isJustified)) {
  const key = JSON.stringify(one.pattern)
  if (!faults.has(key)) faults.set(key, await faultOf(one))
  const fault = faults.get(key)
  if (fault !== undefined) problems.push(`${one.file}:${one.line}: ${fault}`)
}
for (const { file, line } of found.flatMap(({ idle }) => idle)) {
  problems.push(`${file}:${line}: a safe-regex comment without an expression`)
}
for (const problem of problems) console.log(problem)
console.log(`${expressions.length} regular expressions in ${files.length} files, ${problems.length} not allowed`)
process.exitCode = problems.length > 0 ? 1 : 0

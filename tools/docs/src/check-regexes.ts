/**
 * Finds regular expressions with superlinear time: a few thousand characters from an upstream or a caller would block
 * the process. recheck analyses every literal and every `RegExp(…)` of the sources; tests are excluded, because they
 * read only their own text. Exit code 1 and a line for each expression that is not linear or cannot be analysed.
 *
 * An expression that reads only short or trusted text may stay if a preceding comment has the reason: `// safe-regex:
 * the key is one of ours`.
 */
import { globSync, readFileSync } from "node:fs"
import { check } from "recheck"
import { parseSync, Visitor } from "rolldown/utils"

interface Expression {
  readonly file: string
  readonly line: number
  /** The source text; undefined if it is built at run time, and so cannot be analysed. */
  readonly pattern: { readonly source: string; readonly flags: string } | undefined
  readonly isJustified: boolean
}

interface Found {
  readonly expressions: ReadonlyArray<Expression>
  /** Lines of justifications that no expression uses. */
  readonly idle: ReadonlyArray<{ readonly file: string; readonly line: number }>
}

const expressionsOf = (file: string, text: string): Found => {
  const { program, comments, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length
  const commentLines = new Map<number, string>()
  for (const { start, end, value } of comments) {
    for (let line = lineAt(start); line <= lineAt(end); line++) commentLines.set(line, value)
  }
  const isReason = (line: number) => /^\s*safe-regex: \S/.test(commentLines.get(line) ?? "")
  const used = new Set<number>()
  /** On the line itself, or in the comment lines right above it. */
  const reasonFor = (line: number): boolean => {
    let at = line
    while (!isReason(at) && commentLines.has(at - 1)) at--
    if (isReason(at)) used.add(at)
    return isReason(at)
  }
  const expressions: Array<Expression> = []
  const add = (offset: number, pattern: Expression["pattern"]) => {
    const line = lineAt(offset)
    expressions.push({ file, line, pattern, isJustified: reasonFor(line) })
  }
  const literal = (node: unknown): string | undefined => {
    const { type, value, quasis } = node as {
      readonly type: string
      readonly value?: unknown
      readonly quasis?: ReadonlyArray<{ readonly value: { readonly cooked: string | null } }>
    }
    if (type === "TemplateLiteral") return quasis?.length === 1 ? (quasis[0]?.value.cooked ?? undefined) : undefined
    return type === "Literal" && typeof value === "string" ? value : undefined
  }
  const constructed = (node: {
    readonly start: number
    readonly callee: unknown
    readonly arguments: ReadonlyArray<unknown>
  }) => {
    const { type, name } = node.callee as { readonly type: string; readonly name?: string }
    if (type !== "Identifier" || name !== "RegExp") return
    const [source, flags] = node.arguments
    const text = source === undefined ? "" : literal(source)
    const mode = flags === undefined ? "" : literal(flags)
    add(node.start, text === undefined || mode === undefined ? undefined : { source: text, flags: mode })
  }
  new Visitor({
    Literal: (node) => {
      if ("regex" in node) add(node.start, { source: node.regex.pattern, flags: node.regex.flags })
    },
    NewExpression: constructed,
    CallExpression: constructed,
  }).visit(program)
  const idle = [...commentLines.keys()].filter((line) => isReason(line) && !used.has(line))
  return { expressions, idle: idle.map((line) => ({ file, line })) }
}

/** The problem; undefined for a linear expression. */
const faultOf = async ({ pattern }: Expression): Promise<string | undefined> => {
  if (pattern === undefined) return "made at run time, so its growth cannot be analysed"
  // The seed makes the search for an attack deterministic.
  const found = await check(pattern.source, pattern.flags, { randomSeed: 1, timeout: 60_000 })
  if (found.status === "safe") return undefined
  const shown = `/${pattern.source}/${pattern.flags}`
  if (found.status === "unknown") return `${shown} cannot be analysed (${found.error.kind})`
  return `${shown} is ${found.complexity.summary}, for example for ${found.attack.pattern.slice(0, 100)}`
}

/** Tests the check itself: both expressions froze the process once, and the third is fine. */
const sample = `
const a = /^[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[+-]?\\d+)?$/i
const b = new RegExp("\\\\/*$")
const c = /^[a-z]+$/
const d = (word: string): RegExp => RegExp(word)
// safe-regex: at most ten characters
const e = /\\s*$/
// safe-regex: of nothing
const f = 1
`
const { expressions: samples, idle: idleSamples } = expressionsOf("sample.ts", sample)
const verdicts = await Promise.all(samples.map(async (one) => !one.isJustified && (await faultOf(one)) !== undefined))
if (verdicts.join() !== "true,true,false,true,false" || idleSamples[0]?.line !== 8) {
  throw new Error(`The check is ineffective: it finds ${verdicts.join()} in its own sample`)
}

const files = globSync(["*.ts", "{packages,apps,tools,deploy}/**/*.{ts,mts,js,mjs}"], {
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
  problems.push(`${file}:${line}: a justification without an expression`)
}
for (const problem of problems) console.log(problem)
console.log(`${expressions.length} regular expressions in ${files.length} files, ${problems.length} not allowed`)
process.exitCode = problems.length > 0 ? 1 : 0

/** Finds the regular expressions of a source, and analyses their time with recheck. */
import { check } from "recheck"
import { parseSync, Visitor } from "rolldown/utils"

export interface Expression {
  readonly file: string
  readonly line: number
  /** The source text; undefined if it is built at run time, and so cannot be analysed. */
  readonly pattern: { readonly source: string; readonly flags: string } | undefined
  readonly isJustified: boolean
}

/** The expressions of a file, and the lines of justifications that no expression uses. */
export const expressionsOf = (file: string, text: string) => {
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
  // Not analysed, also if its text is a literal, which could be written as an expression.
  const constructed = (node: { readonly start: number; readonly callee: { readonly type: string } }) => {
    if ("name" in node.callee && node.callee.name === "RegExp") add(node.start, undefined)
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
export const faultOf = async ({ pattern }: Expression): Promise<string | undefined> => {
  if (pattern === undefined) return "made at run time, so its growth cannot be analysed"
  // The seed, and limits in characters instead of times, make the search for an attack the same on every machine.
  const options = { randomSeed: 1, timeout: 600_000, incubationTimeout: null, attackTimeout: null }
  const found = await check(pattern.source, pattern.flags, options)
  if (found.status === "safe") return undefined
  const shown = `/${pattern.source}/${pattern.flags}`
  if (found.status === "unknown") return `${shown} cannot be analysed (${found.error.kind})`
  return `${shown} is ${found.complexity.summary}, for example for ${found.attack.pattern.slice(0, 100)}`
}

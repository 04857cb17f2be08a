/** Finds the regular expressions in a source file, and analyses their time complexity with recheck. */
import { check } from "recheck"
import { parseSync, Visitor } from "rolldown/utils"

export interface Expression {
  readonly file: string
  readonly line: number
  /** The expression; undefined if it is built at run time and cannot be analysed. */
  readonly pattern: { readonly source: string; readonly flags: string } | undefined
  readonly isJustified: boolean
}

/** Returns the expressions in a file, and the safe-regex comments that belong to none. */
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
  /** Whether a reason is on the line itself, or in the comment lines right above it. */
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
  // Not analysed, not even for a literal text, which could be written as a regular expression.
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

/** Describes the problem; undefined for a linear expression. */
export const faultOf = async ({ pattern }: Expression): Promise<string | undefined> => {
  if (pattern === undefined) return "built at run time, so its time cannot be analysed"
  // With a seed, and without time limits, the search for an attack is the same on every machine.
  const options = { randomSeed: 1, timeout: 600_000, incubationTimeout: null, attackTimeout: null }
  const found = await check(pattern.source, pattern.flags, options)
  if (found.status === "safe") return undefined
  const shown = `/${pattern.source}/${pattern.flags}`
  if (found.status === "unknown") return `${shown} cannot be analysed (${found.error.kind})`
  return `${shown} is ${found.complexity.summary}, for example for ${found.attack.pattern.slice(0, 100)}`
}

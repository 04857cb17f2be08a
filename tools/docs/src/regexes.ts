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
  type Comment = (typeof comments)[number]
  const commentOn = new Map<number, Comment>()
  for (const comment of comments) {
    for (let line = lineAt(comment.start); line <= lineAt(comment.end); line++) commentOn.set(line, comment)
  }
  const isReason = (comment: Comment) => /^\s*safe-regex: \S/.test(comment.value)
  // In a conditional expression, a comment may follow the colon.
  const isAlone = ({ start }: Comment) => /^[\s:]*$/.test(text.slice(text.lastIndexOf("\n", start) + 1, start))
  const used = new Set<Comment>()
  /** Whether a reason is on the line itself, or in the lines right above it that have nothing but a comment. */
  const reasonFor = (line: number): boolean => {
    let comment = commentOn.get(line)
    for (let at = line - 1; comment === undefined || !isReason(comment); at--) {
      comment = commentOn.get(at)
      if (comment === undefined || !isAlone(comment)) return false
    }
    used.add(comment)
    return true
  }
  const expressions: Array<Expression> = []
  const add = (offset: number, pattern: Expression["pattern"]) => {
    const line = lineAt(offset)
    expressions.push({ file, line, pattern, isJustified: reasonFor(line) })
  }
  // Never analysed: an argument that is a literal string could as well be a regular expression.
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
  const idle = comments.filter((comment) => isReason(comment) && !used.has(comment))
  return { expressions, idle: idle.map(({ start }) => ({ file, line: lineAt(start) })) }
}

/** Describes the problem; undefined for a linear expression. */
export const faultOf = async ({ pattern }: Expression): Promise<string | undefined> => {
  if (pattern === undefined) return "built at run time, so its time cannot be analysed"
  // With a seed, and without limits on its phases, the search for an attack is the same on every machine; ten minutes only end a
  // hang.
  const options = { randomSeed: 1, timeout: 600_000, incubationTimeout: null, attackTimeout: null }
  const found = await check(pattern.source, pattern.flags, options)
  if (found.status === "safe") return undefined
  const shown = `/${pattern.source}/${pattern.flags}`
  if (found.status === "unknown") return `${shown} cannot be analysed (${found.error.kind})`
  return `${shown} is ${found.complexity.summary}, for example for ${found.attack.pattern.slice(0, 100)}`
}

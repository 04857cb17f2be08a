/** A parser for `.env` files, compatible with python-dotenv. */
type Variables = Readonly<Record<string, string | undefined>>

/** The content of a `.env` file. */
export interface Dotenv {
  /** By name; `undefined` for a name without `=`. */
  readonly values: Variables
  /** Line numbers, from 1, of lines that are neither a variable nor a comment; python-dotenv skips them too. */
  readonly unreadable: ReadonlyArray<number>
}

/**
 * Reads a `.env` file like python-dotenv 1.2.4: `export`, comments after white space, quoted values over several lines with
 * their escapes, and `${NAME}` and `${NAME:-default}` in values. Files of the proxy's Python versions remain in use. Node's
 * `parseEnv` cuts a value at any `#` and does not expand `${NAME}`. Takes linear time.
 *
 * @param environment values for `${NAME}`, after the variables above it in the file, which take precedence
 */
export const parseDotenv = (text: string, environment: Variables): Dotenv => {
  const bindings: Array<readonly [name: string, value: string | undefined]> = []
  const unreadable: Array<number> = []
  const lineAt = lineCounter(text)
  let at = 0
  /** Consumes a match of the sticky expression at this position. */
  const take = (expression: RegExp): string | undefined => {
    expression.lastIndex = at
    const found = expression.exec(text)
    if (found === null) return undefined
    at += found[0].length
    return found[1] ?? found[0]
  }
  const takeValue = (): string | undefined => {
    const gap = take(/=([^\S\r\n]*)/y) ?? ""
    if (gap !== "" && text[at] === "#") return ""
    const quote = text[at]
    if (quote !== '"' && quote !== "'") return unquoted(take(/[^\r\n]*/y) ?? "")
    const end = endOfQuoted(text, at)
    if (end === undefined) return undefined
    const quoted = text.slice(at + 1, end)
    at = end + 1
    const escapes = quote === '"' ? /\\([\\'"abfnrtv])/g : /\\([\\'])/g
    return quoted.replace(escapes, (_, letter: string) => controls[letter] ?? letter)
  }
  for (;;) {
    take(/\s*/y)
    if (at === text.length) break
    const start = at
    take(/export[^\S\r\n]+/y)
    const isComment = text[at] === "#"
    const name = isComment ? undefined : take(text[at] === "'" ? /'([^']+)'/y : /([^=#\s]+)/y)
    let isReadable = isComment || name !== undefined
    let value: string | undefined
    if (name !== undefined) {
      take(/[^\S\r\n]*/y)
      if (text[at] === "=") {
        value = takeValue()
        isReadable = value !== undefined
      }
    }
    if (isReadable) {
      take(/[^\S\r\n]*#[^\r\n]*/y)
      isReadable = take(/[^\S\r\n]*(?:\r\n|\n|\r|$)/y) !== undefined
    }
    if (!isReadable) {
      take(/[^\r\n]*(?:\r\n|\n|\r)?/y)
      unreadable.push(lineAt(start))
    } else if (name !== undefined) bindings.push([name, value])
  }
  return { values: expandedAll(bindings, environment), unreadable }
}

/** The end of the value whose quote is at `start`; a backslash escapes the next character. */
const endOfQuoted = (text: string, start: number): number | undefined => {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === text[start]) return at
    if (text[at] === "\\") at++
  }
  return undefined
}

const controls: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
}

/** An unquoted value ends at a `#` after white space. */
const unquoted = (line: string): string => {
  let at = line.indexOf("#")
  while (at >= 0 && !/\s/.test(line[at - 1] ?? "")) at = line.indexOf("#", at + 1)
  return (at < 0 ? line : line.slice(0, at)).trimEnd()
}

const expandedAll = (
  bindings: ReadonlyArray<readonly [name: string, value: string | undefined]>,
  environment: Variables,
): Variables => {
  const done = new Map<string, string | undefined>()
  const lookUp = (name: string, instead: string) => {
    if (done.has(name)) return done.get(name) ?? ""
    return (Object.hasOwn(environment, name) ? environment[name] : undefined) ?? instead
  }
  for (const [name, value] of bindings) done.set(name, value === undefined ? undefined : expanded(value, lookUp))
  return Object.fromEntries(done)
}

/** Expands `${NAME}` and `${NAME:-default}`. By hand, because an expression would scan to the end from each `${`. */
const expanded = (value: string, lookUp: (name: string, instead: string) => string): string => {
  const next = { "}": -1, ":": -1 }
  const find = (character: "}" | ":", from: number) => {
    if (next[character] < from) {
      const found = value.indexOf(character, from)
      next[character] = found < 0 ? Number.POSITIVE_INFINITY : found
    }
    return next[character]
  }
  let made = ""
  let copied = 0
  for (let at = value.indexOf("${"); at >= 0; at = value.indexOf("${", at)) {
    const end = find("}", at)
    const colon = find(":", at)
    if (end === Number.POSITIVE_INFINITY) break
    if (colon < end && value[colon + 1] !== "-") {
      at += 1
      continue
    }
    const nameEnd = Math.min(colon, end)
    made += value.slice(copied, at) + lookUp(value.slice(at + 2, nameEnd), value.slice(nameEnd + 2, end))
    copied = at = end + 1
  }
  return made + value.slice(copied)
}

/** The line number of an offset; offsets must not decrease. */
const lineCounter = (text: string) => {
  let line = 1
  let seen = 0
  return (offset: number): number => {
    for (; seen < offset; seen++) if (text[seen] === "\n") line++
    return line
  }
}

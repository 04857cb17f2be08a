/**
 * Masks secrets in everything that the proxy shows: debug mode, the log, errors, readiness, traces and Sentry. Masked
 * are the values of fields with a secret's name, credentials inside URLs, and the configuration's own secrets in any
 * spelling. All of it takes linear time and never throws.
 */
import { proxyForDisplay, RotatingSecret, redactor } from "@cscs/http-transport"
import { Redacted } from "effect"

/** The replacement of a secret. */
export const mask = "***"

/**
 * Whether a field of this name holds a secret: `client_secret`, `accessToken`, `api_key`, `privateKey`, `passwd`. A
 * bare `key` does not: Waldur uses it in pairs of a key and a value, and the entries use it for their names.
 */
export const isSecretName = (name: string): boolean =>
  /secret|token|passw|passphrase|credential|authorization|cookie|.key$|[_-]keys$|dsn$/i.test(name) ||
  /[a-z]Keys$/.test(name)

/** Levels of a value that are shown: deeper than any real record, and far from a stack overflow. */
const deepest = 100

/**
 * A copy of a value with each secret masked, at any depth. `null` stays `null`: a mask would suggest a secret that does
 * not exist. Nesting deeper than 100 levels, and cycles, are cut.
 *
 * @param text formats strings and field names
 */
export const maskValue = <A>(value: A, text: (given: string) => string = maskText): A => {
  const within = new Set<object>()
  const masked = (inner: unknown): unknown => {
    if (typeof inner === "string") return text(inner)
    if (typeof inner !== "object" || inner === null) return inner
    if (within.size >= deepest || within.has(inner)) return "…"
    within.add(inner)
    try {
      // A date, a URL: its JSON form.
      if ("toJSON" in inner && typeof inner.toJSON === "function") return masked(inner.toJSON())
      if (inner instanceof Error) return maskedFields({ name: inner.name, message: inner.message })
      return Array.isArray(inner) ? inner.map(masked) : maskedFields(inner)
    } catch {
      return "…"
    } finally {
      within.delete(inner)
    }
  }
  const maskedFields = (fields: object) =>
    Object.fromEntries(
      Object.entries(fields).map(([name, inner]) => [
        text(name),
        isSecretName(name) && inner !== null && inner !== undefined
          ? mask
          : /proxy$/i.test(name) && typeof inner === "string"
            ? text(proxyForDisplay(inner))
            : masked(inner),
      ]),
    )
  return masked(value) as A
}

/**
 * What a finding contains of a field of Waldur's record (`attributes.api_key`), also masked by the names on the field's
 * path.
 */
export const maskFound = (field: string, found: unknown, text: (given: string) => string = maskText): unknown =>
  found !== null && field.split(/[.[\]]/).some(isSecretName) ? mask : maskValue(found, text)

/**
 * Masks secrets that a text reveals by their form: a value after a secret name and a colon or an equals sign
 * (`"api_key":"…"`, `token=…`), and user and password in a URL.
 */
export const maskText = (text: string): string => (/[:=%]/.test(text) ? maskLogins(maskAssignments(text)) : text)

/** Characters of a name that are inspected: of a longer one only the end counts. */
const longestName = 128
/** Whether an unquoted name may contain a character: any letter or digit, and `_ . $ -`. */
const isInName = (code: number): boolean =>
  code > 127 ||
  (code >= 97 && code <= 122) ||
  (code >= 65 && code <= 90) ||
  (code >= 48 && code <= 57) ||
  code === 95 ||
  code === 46 ||
  code === 45 ||
  code === 36

/** White space and, as in `Authorization: Bearer …`, the scheme: the value after it is the secret. */
const beforeValue = /^\s*(?:(?:basic|bearer|dpop|negotiate|token)\s+)?/i

const maskAssignments = (text: string): string => {
  let result = ""
  let done = 0
  for (const { index } of text.matchAll(/[:=]/g)) {
    if (index < done || !isSecretName(nameBefore(text, index))) continue
    const begin = index + 1 + (beforeValue.exec(text.slice(index + 1, index + 1 + longestName))?.[0].length ?? 0)
    const end = valueEnd(text, begin)
    if (end === begin) continue
    // safe-regex: 128 characters at most
    const quote = /\\*"$/.exec(text.slice(Math.max(0, index - longestName), index).trimEnd())?.[0] ?? ""
    result += text.slice(done, begin) + maskedAs(text.slice(begin, end), quote)
    done = end
  }
  return done === 0 ? text : result + text.slice(done)
}

/** The name before a colon or equals sign, with or without quotes; empty if there is none. */
const nameBefore = (text: string, separator: number): string => {
  const before = text.slice(Math.max(0, separator - longestName), separator).trimEnd()
  const quote = before.at(-1)
  if (quote === '"' || quote === "'") {
    // safe-regex: 128 characters at most
    const named = before.slice(0, -1).replace(/\\+$/, "")
    return named.slice(named.lastIndexOf(quote) + 1)
  }
  let begin = before.length
  while (begin > 0 && isInName(before.charCodeAt(begin - 1))) begin -= 1
  return before.slice(begin)
}

/**
 * The end of the value that begins here. A list, an object, and an unterminated quoted text extend to the end of the
 * text.
 */
const valueEnd = (text: string, begin: number): number => {
  let at = begin
  while (text[at] === "\\") at += 1
  const quote = text[at]
  if (quote === "{" || quote === "[") return text.length
  if (quote === '"' || quote === "'") {
    const depth = at - begin
    for (let end = text.indexOf(quote, at + 1); end >= 0; end = text.indexOf(quote, end + 1)) {
      let escapes = 0
      while (end - 1 - escapes > at && text[end - 1 - escapes] === "\\") escapes += 1
      // JSON inside JSON escapes its own quotes once more.
      if (depth === 0 ? escapes % 2 === 0 : escapes <= depth) return end + 1
    }
    return text.length
  }
  const ending = /[\s,;&}\]#"'<>]/g
  ending.lastIndex = begin
  return ending.exec(text)?.index ?? text.length
}

/**
 * The mask for a value; JSON stays valid.
 *
 * @param quote the name's closing quote; empty if it is unquoted
 */
const maskedAs = (value: string, quote: string): string => {
  if (value === "null" || value === "undefined") return value
  const own = /^\\*["']/.exec(value)?.[0] ?? quote
  return `${own}${mask}${own}`
}

/** `://`, also in JSON's and percent-encoded spelling. */
const urlStart = /(?::|%3a)(?:\\?\/|%2f){2}/gi
const urlEnd = /[\s"'<>]/g
const at = /@|%40/gi

/**
 * Masks user and password in each URL: up to the last `@` of the word, because a password may contain an `@` or a `/`.
 */
const maskLogins = (text: string): string => {
  let result = ""
  let done = 0
  for (const start of text.matchAll(urlStart)) {
    const begin = start.index + start[0].length
    // A file URL has no login, and package directories contain an `@`.
    if (begin < done || /(?:^|[^a-z])file$/i.test(text.slice(Math.max(0, start.index - 5), start.index))) continue
    urlEnd.lastIndex = begin
    const end = urlEnd.exec(text)?.index ?? text.length
    let last: RegExpExecArray | undefined
    for (const one of text.slice(begin, end).matchAll(at)) last = one
    result += text.slice(done, begin)
    if (last !== undefined) result += mask
    result += text.slice(begin + (last?.index ?? 0), end)
    done = end
  }
  return done === 0 ? text : result + text.slice(done)
}

/**
 * How many texts without a secret are remembered, and their greatest length. Those of log lines repeat, apart from request
 * ids: a UUID is longer.
 */
const cleanKept = 1000
const longestClean = 35

/** Masks known secrets in a text, whole or truncated, in any spelling (`redactor`), and what `maskText` masks. */
export const masker = (secrets: ReadonlyArray<string | RotatingSecret>): ((text: string) => string) => {
  const withoutKnown = redactor(secrets, { pieces: "at the end" })
  const rotating = secrets.filter((secret) => secret instanceof RotatingSecret)
  const clean = new Set<string>()
  let rotationsThen = 0
  return (text) => {
    const rotations = rotating.reduce((sum, secret) => sum + secret.rotations, 0)
    if (rotations !== rotationsThen) {
      // What was clean may be a secret now.
      clean.clear()
      rotationsThen = rotations
    }
    if (clean.has(text)) return text
    const masked = maskText(withoutKnown(text))
    if (masked === text && text.length <= longestClean) {
      // In a log each text that does not repeat is new: keeping their order of use would cost more than it saves.
      if (clean.size >= cleanKept) clean.clear()
      clean.add(text)
    }
    return masked
  }
}

/**
 * All secrets in the settings: wrapped values, passwords in URLs, and the headers of `OTEL_*` variables. A rotating
 * secret is returned itself, so that masking follows its values.
 */
export const secretsIn = (settings: unknown): ReadonlyArray<string | RotatingSecret> => {
  const found: Array<string> = []
  const rotating: Array<RotatingSecret> = []
  const walk = (value: unknown, name: string): void => {
    if (value instanceof RotatingSecret) rotating.push(value)
    else if (Redacted.isRedacted(value)) {
      const secret = String(Redacted.value(value))
      found.push(secret, ...loginIn(secret))
    } else if (typeof value === "string") {
      found.push(...loginIn(value))
      if (/^OTEL_.*_HEADERS$/.test(name)) found.push(...value.split(",").map((pair) => pair.replace(/^[^=]*=\s*/, "")))
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) walk(inner, key)
    }
  }
  walk(settings, "")
  return [...new Set(found.map((secret) => secret.trim()).filter((secret) => secret !== "")), ...rotating]
}

/** The password in a URL; without one the user, which is the secret in a DSN. */
export const loginIn = (url: string): ReadonlyArray<string> => {
  if (!url.includes("@") || !URL.canParse(url)) return []
  const { username, password } = new URL(url)
  return [password || username]
}

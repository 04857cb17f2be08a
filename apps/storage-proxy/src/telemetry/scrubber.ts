import { withoutSecrets } from "@cscs/http-transport"
import { Redacted } from "effect"

/** A copy in which no string holds a secret. */
export type Scrub = <A>(value: A) => A

const mask = "***"
const secretName = /(secret|token|password|authorization|cookie|api_?key|dsn)$/i

/** What looks like a secret, whoever's it is: a token of a caller is in no setting. */
const shapes: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b(Bearer|Basic|Negotiate)\s+[\w.~+/=-]+/gi, `$1 ${mask}`],
  [/\b(Token)\s+[\w.~+/=-]{16,}/gi, `$1 ${mask}`],
  // A JWT begins with an object in base64url.
  [/\beyJ[\w-]{6,}(\.[\w-]*)*/g, mask],
  // User and password in a URL; a password may hold an @ or a / of its own.
  [/([a-z][a-z\d+.-]*:\/\/)[^\s"'<>]*@/gi, `$1${mask}@`],
  [/([?&][^\s=&#"'<>]+=)[^\s&#"'<>]*/g, `$1${mask}`],
  [
    /(\b[\w-]*(?:secret|token|password|authorization|cookie|api[_-]?key)\\?["']?\s*[:=]\s*)(\\?"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,;&}\]]+)/gi,
    `$1${mask}`,
  ],
  // Waldur's tokens, and digests of secrets.
  [/\b[0-9a-f]{40,}\b/gi, mask],
]

/**
 * Takes out all secrets that are known, in each way that a text may spell them, and all that looks like one. For what
 * leaves the house: what our own log says is made without them in the first place.
 */
export const scrubberOf = (secrets: ReadonlyArray<string>): Scrub => {
  const spelt = [...new Set(secrets.flatMap(spellings))]
  const text = (given: string) =>
    shapes.reduce((rest, [shape, instead]) => rest.replace(shape, instead), withoutSecrets(given, spelt))
  const scrub = (value: unknown, seen: ReadonlyArray<unknown>): unknown => {
    if (typeof value === "string") return text(value)
    if (typeof value !== "object" || value === null) return value
    if (seen.includes(value)) return "…"
    const within = [...seen, value]
    if (Array.isArray(value)) return value.map((item) => scrub(item, within))
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        text(key),
        secretName.test(key) && inner !== null && inner !== undefined ? mask : scrub(inner, within),
      ]),
    )
  }
  return <A>(value: A) => scrub(value, []) as A
}

/** All secrets in the settings: what is wrapped there, passwords in URLs, and the headers of `OTEL_*` variables. */
export const secretsIn = (settings: unknown): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (value: unknown, name: string): void => {
    if (Redacted.isRedacted(value)) {
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
  return [...new Set(found.filter((secret) => secret.trim() !== ""))]
}

const loginIn = (url: string): ReadonlyArray<string> => {
  if (!url.includes("@") || !URL.canParse(url)) return []
  const { username, password } = new URL(url)
  // A user alone, as in a DSN, is the secret.
  return [password || username]
}

const spellings = (secret: string): ReadonlyArray<string> => {
  const plain = decoded(secret)
  const bytes = (shift: number) => Buffer.concat([Buffer.alloc(shift), Buffer.from(plain)]).toString("base64")
  return [
    secret,
    plain,
    encodeURIComponent(plain),
    new URLSearchParams({ v: plain }).toString().slice(2),
    JSON.stringify(plain).slice(1, -1),
    // In base64 it looks otherwise behind one or two other bytes, as in the credentials of Basic.
    ...[0, 1, 2].map((shift) => bytes(shift).slice(shift === 0 ? 0 : 4, -4)).filter((spelt) => spelt.length >= 8),
  ]
}

const decoded = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

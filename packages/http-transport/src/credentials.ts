/** Masks secrets in texts from upstreams, and extracts the secrets of headers and URLs. */
import { RotatingSecret, type Secret, secretNow } from "./secret.ts"

/** Consecutive characters that identify a secret in a truncated text; a shorter piece reveals nothing useful. */
const telling = 8
/** Shorter secrets are ignored, since masking them would garble every text. */
const shortest = 4
/** Characters of a secret that are searched piecewise; a JWT has one or two thousand. */
const longest = 16_384

const mask = "***"

/**
 * Returns a function that masks secrets in texts from upstreams, for errors, logs and spans. Each secret is found verbatim
 * and in other forms: percent-encoded, escaped in JSON or HTML, base64 (also inside a longer text, as in `Basic`), hex, in
 * another case, reversed, or truncated, if eight consecutive characters remain.
 *
 * Secrets of fewer than four characters are ignored. The time is linear in the length of the text. The forms are computed
 * on the first call and again after a secret is replaced; previous values are masked too.
 *
 * @param options `pieces: "at the end"` masks a truncated secret only at the end of the text. For our own messages, which may
 *   share words with a secret such as `storage-proxy-2026` and are truncated only at the end
 */
export const redactor = (
  secrets: ReadonlyArray<string | Secret>,
  { pieces = "anywhere" }: { readonly pieces?: "anywhere" | "at the end" } = {},
): ((text: string) => string) => {
  const masked = pieces === "anywhere" ? withoutPieces : withoutCutEnd
  const rotating = secrets.filter((secret) => secret instanceof RotatingSecret)
  const rotationsNow = () => rotating.reduce((sum, { rotations }) => sum + rotations, 0)
  let known: Search | undefined
  let knownAt = 0
  return (text) => {
    const rotations = rotationsNow()
    if (known === undefined || rotations !== knownAt) {
      known = searchFor(secrets.flatMap(valuesOf))
      knownAt = rotations
    }
    if (known.whole === undefined || (!mayContain(text, known) && !escapes.test(text))) return text
    const first = masked(text, known)
    // If escapes hide a secret, the unescaped text is returned, since the secret can be masked only there.
    let plain = first
    for (let level = 0; level < escapedAtMost; level++) {
      const less = unescaped(plain)
      if (less === plain) break
      plain = less
      const second = masked(plain, known)
      if (second !== plain) return second
    }
    return first
  }
}

const valuesOf = (secret: string | Secret): ReadonlyArray<string> => {
  if (typeof secret === "string") return [secret]
  return secret instanceof RotatingSecret ? secret.known : [secretNow(secret)]
}

interface Search {
  /** All forms as a whole, longest first. */
  readonly whole: RegExp | undefined
  /** All pieces of `telling` characters, in lower case. */
  readonly pieces: ReadonlySet<string>
  /** The hashes of the beginnings of pieces: a filter that rules out most positions of most texts. */
  readonly starts: Uint8Array
  /** All forms that are long enough for a piece, in lower case. */
  readonly long: ReadonlyArray<string>
  /** The forms that are too short for a piece. */
  readonly short: RegExp | undefined
}

/** Matches escapes (JSON, programming languages, URLs, HTML) and invisible characters. */
const escapes = /[%\\]|&#|[^\P{Cc}\s]|\p{Cf}/u

const startOf = (text: string, at: number): number =>
  ((text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) * 31 + text.charCodeAt(at + 2)) & 0x7fff

/** The index of the first piece of a secret in a lowercase text; -1 if there is none. */
const firstPiece = (lower: string, { pieces, starts }: Search): number => {
  for (let at = 0; at + telling <= lower.length; at++) {
    if (starts[startOf(lower, at)] === 1 && pieces.has(lower.slice(at, at + telling))) return at
  }
  return -1
}

/** A cheap check whether a string may contain a secret; most do not. */
const mayContain = (text: string, known: Search): boolean =>
  known.short?.test(text) === true || firstPiece(text.toLowerCase(), known) >= 0

const searchFor = (secrets: ReadonlyArray<string>): Search => {
  const all = [...new Set(secrets.flatMap(formsOf))].filter((form) => form.length >= shortest)
  const pieces = new Set<string>()
  for (const form of all) {
    const lower = form.slice(0, longest).toLowerCase()
    for (let at = 0; at + telling <= lower.length; at++) pieces.add(lower.slice(at, at + telling))
  }
  const starts = new Uint8Array(0x8000)
  for (const piece of pieces) starts[startOf(piece, 0)] = 1
  const anyOf = (some: ReadonlyArray<string>, flags: string) =>
    some.length === 0
      ? undefined
      : // safe-regex: alternatives without any repetition
        new RegExp(some.map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), flags)
  const longestFirst = all.toSorted((a, b) => b.length - a.length)
  return {
    whole: anyOf(longestFirst, "gi"),
    pieces,
    starts,
    long: all.filter((form) => form.length >= telling).map((form) => form.slice(0, longest).toLowerCase()),
    short: anyOf(
      all.filter((form) => form.length < telling),
      "i",
    ),
  }
}

const formsOf = (secret: string): ReadonlyArray<string> => {
  if (secret.length < shortest) return []
  return [...new Set([secret, percentDecoded(secret)])].flatMap((plain) => {
    const bytes = Buffer.from(plain)
    // The base64 of a string depends on the number of bytes before it, as in Basic credentials.
    const inBase64 = [0, 1, 2].flatMap((shift) => {
      const coded = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64")
      const own = coded.slice(shift === 0 ? 0 : 4, (bytes.length + shift) % 3 === 0 ? undefined : -4)
      return [own, own.replaceAll("+", "-").replaceAll("/", "_")]
    })
    return [
      plain,
      plain.trim(),
      [...plain].reverse().join(""),
      encodeURIComponent(plain.toWellFormed()),
      new URLSearchParams({ v: plain }).toString().slice(2),
      JSON.stringify(plain).slice(1, -1),
      bytes.toString("hex"),
      // Short pieces of base64 and hex occur in every text.
      ...inBase64.filter((coded) => coded.length >= telling),
    ]
  })
}

/** Masks whole secrets first, since they may contain white space; then each word from the first piece of a secret on. */
const withoutPieces = (text: string, known: Search): string => {
  if (known.whole === undefined) return text
  return text.replace(known.whole, mask).replace(/\S+/g, (word) => {
    const at = firstPiece(word.toLowerCase(), known)
    return at < 0 ? word : `${word.slice(0, at)}${mask}`
  })
}

/** Masks whole secrets, and a truncated one at the end of the text. */
const withoutCutEnd = (text: string, { whole, long }: Search): string => {
  if (whole === undefined) return text
  const rest = text.replace(whole, mask)
  const lower = rest.replace(/…$/, "").toLowerCase()
  for (const form of long) {
    const at = lower.lastIndexOf(form.slice(0, telling))
    if (at >= 0 && form.startsWith(lower.slice(at))) return `${rest.slice(0, at)}${mask}`
  }
  return rest
}

/** Maximum nesting of escapes: a gateway may quote another gateway that quotes the request. */
const escapedAtMost = 3

/**
 * Decodes one level of escapes of JSON (`\u0041`), programming languages (`\x41`), URLs (`%41`) and HTML (`&#65;`, `&#x41;`),
 * and removes invisible characters.
 */
const unescaped = (text: string): string =>
  text.replace(unseen, "").replace(escaped, (whole, ...found) => {
    const [json, program, url, hex, decimal] = found as Array<string | undefined>
    if (url !== undefined) return Buffer.from(url.replaceAll("%", ""), "hex").toString()
    const code = decimal === undefined ? Number.parseInt(json ?? program ?? hex ?? "", 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })

const escaped = /\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|((?:%[0-9a-f]{2})+)|&#x([0-9a-f]{1,6});|&#(\d{1,7});/gi
/** Invisible characters, such as the NULs in UTF-16 that is read as UTF-8. White space separates words and is kept. */
const unseen = /[^\P{Cc}\s]|\p{Cf}/gu

const percentDecoded = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The credentials in headers: the value after the scheme in `Authorization` (RFC 9110 section 11.6.2), and cookies. */
export const secretsOf = (headers: Readonly<Record<string, string>> | undefined): ReadonlyArray<string> =>
  Object.entries(headers ?? {}).flatMap(([name, value]) => {
    const key = name.toLowerCase()
    if (key === "authorization" || key === "proxy-authorization") return [value.replace(/^\S+\s+/, "").trim()]
    return key === "cookie" || key === "x-api-key" ? [value] : []
  })

/** A URL for errors, logs and spans: without user, password, query and fragment. */
export const urlForDisplay = (url: string): string => {
  // A URL that does not parse may contain a ? or # in its password.
  const bare = URL.canParse(url) ? url.replace(/[?#].*$/s, "") : url
  const scheme = /^\s*[a-z][a-z0-9+.-]*:\/\//i.exec(bare)?.[0] ?? ""
  // Up to the last @, since a password that is not percent-encoded may contain an @ or a /.
  const at = bare.lastIndexOf("@")
  const shown = at < 0 ? bare : `${scheme}${bare.slice(at + 1)}`
  return shown.replace(/[?#].*$/s, "")
}

/** User and password in a URL, as written and decoded. */
export const secretsOfUrl = (url: string): ReadonlyArray<string> => {
  if (!url.includes("@") || !URL.canParse(url)) return []
  const { username, password } = new URL(url)
  const login = `${percentDecoded(username)}:${percentDecoded(password)}`
  return username === "" && password === "" ? [] : [password, username, login].filter((one) => one !== "")
}

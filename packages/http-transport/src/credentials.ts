import { RotatingSecret, type Secret, secretNow } from "./secret.ts"

/** Characters of a secret that tell it: a text may have been cut anywhere, and a shorter piece gives nothing away. */
const telling = 8
/** A shorter secret is none: masked, it would take every text apart. */
const shortest = 4
/** Of a longer secret the rest is not looked for by its pieces, in characters: a JWT has one or two thousand. */
const longest = 16_384

const mask = "***"

/**
 * Makes the function that masks secrets in a text that an upstream wrote, for errors, logs and spans: each secret as it is
 * and in the other guises in which it comes back: percent-encoded, in JSON or HTML, base64 (also inside a longer text,
 * as in `Basic`), hex, in another case, backwards, or cut, of which eight characters in a row are enough.
 *
 * A secret of fewer than four characters is ignored. The time is linear in the text. The guises are made when the function is
 * first called, and again after a secret was replaced; the values before are masked too.
 *
 * @param options `pieces: "at the end"` looks for a piece only where the text ends in it: for texts of our own, which may
 *   share words with a secret such as `storage-proxy-2026`, and which are cut at their end only
 */
export const redactor = (
  secrets: ReadonlyArray<string | Secret>,
  { pieces = "anywhere" }: { readonly pieces?: "anywhere" | "at the end" } = {},
): ((text: string) => string) => {
  const masked = pieces === "anywhere" ? withoutPieces : withoutCutEnd
  const rotating = secrets.filter((secret) => secret instanceof RotatingSecret)
  const rotationsNow = () => rotating.reduce((sum, { rotations }) => sum + rotations, 0)
  let known: Guises | undefined
  let knownAt = 0
  return (text) => {
    const rotations = rotationsNow()
    if (known === undefined || rotations !== knownAt) {
      known = guisesOf(secrets.flatMap(valuesOf))
      knownAt = rotations
    }
    if (known.whole === undefined || (!mayHold(text, known) && !escapes.test(text))) return text
    const first = masked(text, known)
    // Where a text spells a secret by escapes, what is shown is the text without them: nothing else can be masked in it.
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

const redactors = new WeakMap<ReadonlyArray<string | Secret>, (text: string) => string>()

/** `redactor` of a list of secrets that is used for many texts: made once for each array. */
export const withoutSecrets = (text: string, secrets: ReadonlyArray<string | Secret>): string => {
  const known = redactors.get(secrets) ?? redactor(secrets)
  redactors.set(secrets, known)
  return known(text)
}

interface Guises {
  /** Each guise as a whole, the longest first. */
  readonly whole: RegExp | undefined
  /** All pieces of `telling` characters, in lower case. */
  readonly pieces: ReadonlySet<string>
  /** Which hashes the beginnings of pieces have: most places of most texts are passed over by these. */
  readonly starts: Uint8Array
  /** All guises that have a piece, in lower case. */
  readonly long: ReadonlyArray<string>
  /** The guises that are too short to have a piece. */
  readonly short: RegExp | undefined
}

/** What a text has that spells characters in another way (JSON, programs, URLs, HTML), or hides some that show nothing. */
const escapes = /[%\\]|&#|[^\P{Cc}\s]|\p{Cf}/u

const startOf = (text: string, at: number): number =>
  ((text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) * 31 + text.charCodeAt(at + 2)) & 0x7fff

/** Where the first piece of a secret begins in a text in lower case; -1 if there is none. */
const firstPiece = (lower: string, { pieces, starts }: Guises): number => {
  for (let at = 0; at + telling <= lower.length; at++) {
    if (starts[startOf(lower, at)] === 1 && pieces.has(lower.slice(at, at + telling))) return at
  }
  return -1
}

/** Whether a text may hold a secret; most do not, which this tells at little cost. */
const mayHold = (text: string, known: Guises): boolean =>
  known.short?.test(text) === true || firstPiece(text.toLowerCase(), known) >= 0

const guisesOf = (secrets: ReadonlyArray<string>): Guises => {
  const all = [...new Set(secrets.flatMap(guises))].filter((guise) => guise.length >= shortest)
  const pieces = new Set<string>()
  for (const guise of all) {
    const lower = guise.slice(0, longest).toLowerCase()
    for (let at = 0; at + telling <= lower.length; at++) pieces.add(lower.slice(at, at + telling))
  }
  const starts = new Uint8Array(0x8000)
  for (const piece of pieces) starts[startOf(piece, 0)] = 1
  const anyOf = (some: ReadonlyArray<string>, flags: string) =>
    some.length === 0
      ? undefined
      : // safe-regex: texts beside each other, without any repetition
        new RegExp(some.map((guise) => guise.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), flags)
  const longestFirst = all.toSorted((a, b) => b.length - a.length)
  return {
    whole: anyOf(longestFirst, "gi"),
    pieces,
    starts,
    long: all.filter((guise) => guise.length >= telling).map((guise) => guise.slice(0, longest).toLowerCase()),
    short: anyOf(
      all.filter((guise) => guise.length < telling),
      "i",
    ),
  }
}

const guises = (secret: string): ReadonlyArray<string> => {
  if (secret.length < shortest) return []
  return [...new Set([secret, percentDecoded(secret)])].flatMap((plain) => {
    const bytes = Buffer.from(plain)
    // In base64 a text looks otherwise behind one or two other bytes, as in the credentials of Basic.
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
      // Short pieces of base64 and hex are in every text.
      ...inBase64.filter((coded) => coded.length >= telling),
    ]
  })
}

/** Whole secrets first: one may hold white space. Then each word from the first piece of a secret in it to its end. */
const withoutPieces = (text: string, known: Guises): string => {
  if (known.whole === undefined) return text
  return text.replace(known.whole, mask).replace(/\S+/g, (word) => {
    const at = firstPiece(word.toLowerCase(), known)
    return at < 0 ? word : `${word.slice(0, at)}${mask}`
  })
}

/** Whole secrets, and one that is cut where the text ends. */
const withoutCutEnd = (text: string, { whole, long }: Guises): string => {
  if (whole === undefined) return text
  const rest = text.replace(whole, mask)
  const lower = rest.replace(/…$/, "").toLowerCase()
  for (const guise of long) {
    const at = lower.lastIndexOf(guise.slice(0, telling))
    if (at >= 0 && guise.startsWith(lower.slice(at))) return `${rest.slice(0, at)}${mask}`
  }
  return rest
}

/** How often a text may be escaped, one escape inside of another: a gateway quotes another that quotes the request. */
const escapedAtMost = 3

/**
 * The text with escapes of JSON (`\u0041`), of programs (`\x41`), of URLs (`%41`) and of HTML (`&#65;`, `&#x41;`) undone once,
 * and without the characters that show nothing.
 */
const unescaped = (text: string): string =>
  text.replace(unseen, "").replace(escaped, (whole, ...found) => {
    const [json, program, url, hex, decimal] = found as Array<string | undefined>
    if (url !== undefined) return Buffer.from(url.replaceAll("%", ""), "hex").toString()
    const code = decimal === undefined ? Number.parseInt(json ?? program ?? hex ?? "", 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })

const escaped = /\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|((?:%[0-9a-f]{2})+)|&#x([0-9a-f]{1,6});|&#(\d{1,7});/gi
/** Characters that show nothing, as between letters in UTF-16 that is read as UTF-8; white space parts words, and stays. */
const unseen = /[^\P{Cc}\s]|\p{Cf}/gu

const percentDecoded = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The credentials in headers: what follows the scheme in `Authorization` (RFC 9110 section 11.6.2), and cookies. */
export const secretsOf = (headers: Readonly<Record<string, string>> | undefined): ReadonlyArray<string> =>
  Object.entries(headers ?? {}).flatMap(([name, value]) => {
    const key = name.toLowerCase()
    if (key === "authorization" || key === "proxy-authorization") return [value.replace(/^\S+\s+/, "").trim()]
    return key === "cookie" || key === "x-api-key" ? [value] : []
  })

/** A URL for errors, logs and spans: without user, password, query and fragment. */
export const urlForDisplay = (url: string): string => {
  // What cannot be read as a URL may have a ? or # of its own in its password.
  const bare = URL.canParse(url) ? url.replace(/[?#].*$/s, "") : url
  const scheme = /^\s*[a-z][a-z0-9+.-]*:\/\//i.exec(bare)?.[0] ?? ""
  // Up to the last @, for a password that was not percent-encoded may hold an @ or a / of its own.
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

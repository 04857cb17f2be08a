import { Redacted } from "effect"

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
 * A secret of fewer than four characters is ignored. The time is linear in the text. The guises are made once, when the
 * function is first called.
 */
export const redactor = (secrets: ReadonlyArray<string | Redacted.Redacted>): ((text: string) => string) => {
  let known: Guises | undefined
  return (text) => {
    known ??= guisesOf(secrets.map((secret) => (typeof secret === "string" ? secret : Redacted.value(secret))))
    if (known.whole === undefined) return text
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

const redactors = new WeakMap<ReadonlyArray<string>, (text: string) => string>()

/** `redactor` of a list of secrets that is used for many texts: made once for each array. */
export const withoutSecrets = (text: string, secrets: ReadonlyArray<string>): string => {
  const known = redactors.get(secrets) ?? redactor(secrets)
  redactors.set(secrets, known)
  return known(text)
}

interface Guises {
  /** Each guise as a whole, the longest first. */
  readonly whole: RegExp | undefined
  /** All pieces of `telling` characters, in lower case. */
  readonly pieces: ReadonlySet<string>
}

const guisesOf = (secrets: ReadonlyArray<string>): Guises => {
  const all = [...new Set(secrets.flatMap(guises))].filter((guise) => guise.length >= shortest)
  const pieces = new Set<string>()
  for (const guise of all) {
    const lower = guise.slice(0, longest).toLowerCase()
    for (let at = 0; at + telling <= lower.length; at++) pieces.add(lower.slice(at, at + telling))
  }
  const whole = all.sort((a, b) => b.length - a.length).map((guise) => guise.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"))
  return { whole: whole.length === 0 ? undefined : new RegExp(whole.join("|"), "gi"), pieces }
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
const masked = (text: string, { whole, pieces }: Guises): string => {
  if (whole === undefined) return text
  return text.replace(whole, mask).replace(/\S+/g, (word) => {
    const lower = word.toLowerCase()
    for (let at = 0; at + telling <= lower.length; at++) {
      if (pieces.has(lower.slice(at, at + telling))) return `${word.slice(0, at)}${mask}`
    }
    return word
  })
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

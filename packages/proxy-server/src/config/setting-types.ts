/** The types of settings: what is allowed, how it is decoded, and its JSON Schema. */
import { finiteDecimal, isJsonObject } from "@cscs/storage-model"
import { Duration, Redacted, Result } from "effect"
import { unwrapped } from "../config-sources/unwrapped.ts"
import { yamlMapping } from "../config-sources/yaml-document.ts"

/** The type of a setting. It decodes YAML values (true, 10, a list) as well as an environment variable's text. */
export interface SettingType<A> {
  /** The allowed values, in words. */
  readonly allowed: string
  /** How the YAML file has the values, as JSON Schema, for editors. `decode` also accepts other spellings, such as `yes`. */
  readonly jsonSchema: Readonly<Record<string, unknown>>
  /** `undefined` if the value is not allowed. */
  readonly decode: (value: unknown) => A | undefined
  /**
   * What is wrong with a value that `decode` refuses, in words that quote nothing of it. Default, and if `undefined`: the value
   * is shown, masked.
   */
  readonly fault?: (value: unknown) => string | undefined
  /** It must not appear in any log, error or debug response; it can also be read from a file that a variable names. */
  readonly isSecret?: true
}

const flags: Readonly<Record<string, boolean>> = {
  true: true,
  "1": true,
  yes: true,
  on: true,
  false: false,
  "0": false,
  no: false,
  off: false,
}

/** A boolean as the `debug` parameter accepts it; `undefined` for anything else. */
export const parseFlag = (text: string): boolean | undefined => {
  const key = text.toLowerCase()
  return Object.hasOwn(flags, key) ? flags[key] : undefined
}

export const flag: SettingType<boolean> = {
  allowed: "true or false (also 1, 0, yes, no, on, off)",
  jsonSchema: { type: "boolean" },
  decode: (value) => (["boolean", "number", "string"].includes(typeof value) ? parseFlag(String(value)) : undefined),
}

const numberThat = (
  allowed: string,
  jsonSchema: SettingType<number>["jsonSchema"],
  isAllowed: (number: number) => boolean,
): SettingType<number> => ({
  allowed,
  jsonSchema,
  decode: (value) => {
    const number = finiteDecimal(value)
    return number !== undefined && isAllowed(number) ? number : undefined
  },
})

/** @param most a larger factor is a typo, and would result in inodes that no double represents exactly */
export const positiveNumber = (most: number): SettingType<number> =>
  numberThat(
    `a number above 0, at most ${most}`,
    { type: "number", exclusiveMinimum: 0, maximum: most },
    (number) => number > 0 && number <= most,
  )

export const wholeNumber = (least: number, most: number): SettingType<number> =>
  numberThat(
    `a whole number from ${least} to ${most}`,
    { type: "integer", minimum: least, maximum: most },
    (number) => Number.isInteger(number) && number >= least && number <= most,
  )

export const ratio = numberThat(
  "a number from 0 to 1",
  { type: "number", minimum: 0, maximum: 1 },
  (number) => number >= 0 && number <= 1,
)

// The largest 32-bit value, 4294967295, is -1 to the kernel: "no change" to chown.
const largestGid = 4_294_967_294

export const gid = wholeNumber(1, largestGid)

/** Linux accepts no longer path, and no setting is longer than one. */
const longestText = 4096
// Half a surrogate pair has no encoding: `encodeURIComponent` throws.
const control = /[\p{Cc}\p{Cs}]/u

/**
 * What is wrong with a text, in words that quote nothing of it; `undefined` if nothing is. HTTP, a terminal or a path would
 * interpret a control character.
 */
const textFault = (value: unknown): string | undefined => {
  if (typeof value !== "string") return undefined
  if (value.length > longestText) return `a string of ${value.length} characters`
  return control.test(value) ? "a string with a control character, such as a line break" : undefined
}

const textThat = (
  allowed: string,
  jsonSchema: SettingType<string>["jsonSchema"],
  isAllowed: (text: string) => boolean,
  fault?: SettingType<string>["fault"],
): SettingType<string> => ({
  allowed,
  jsonSchema: { type: "string", ...jsonSchema },
  decode: (value) => (typeof value === "string" && isAllowed(value) ? value : undefined),
  ...(fault && { fault }),
})

const isText = (text: string) => text.trim() !== "" && textFault(text) === undefined

export const text = textThat(
  `a non-empty string of at most ${longestText} characters, without control characters`,
  { minLength: 1, maxLength: longestText },
  isText,
  textFault,
)

/** A header value that is valid everywhere in HTTP (RFC 9110 section 5.5). */
export const headerValue = textThat(
  "at most 256 printable ASCII characters",
  { minLength: 1, maxLength: 256, pattern: "^[\\x20-\\x7e]+$" },
  (value) => /^[\x20-\x7e]{1,256}$/.test(value),
  textFault,
)

/** A realm's name becomes a part of the issuer's path. */
export const realm = textThat(
  "a realm's name: at most 255 characters, none of / \\ ? # % ; and not . or ..",
  { minLength: 1, maxLength: 255, pattern: "^[^/\\\\?#%;]+$" },
  (name) => isText(name) && name.length <= 255 && !/[/\\?#%;]/.test(name) && !/^\.\.?$/.test(name),
  textFault,
)

const redacted = (type: SettingType<string>): SettingType<Redacted.Redacted> => ({
  ...type,
  isSecret: true,
  decode: (value) => {
    const given = type.decode(value)
    return given === undefined ? undefined : Redacted.make(given)
  },
})

/** A text that must not appear in any log, error or debug response. */
export const secret = redacted(text)

/** A Waldur user's token: 40 hexadecimal digits. */
export const waldurToken = redacted(
  textThat("the API token of a Waldur user: 40 hexadecimal digits", { pattern: "^[0-9A-Fa-f]{40}$" }, (token) =>
    /^[0-9a-f]{40}$/i.test(token),
  ),
)

/** Servers accept no longer ones. */
const longestUrl = 2048

/** Whether user and password of a URL can be decoded. */
const isDecodable = ({ username, password }: URL) =>
  Result.isSuccess(Result.try(() => decodeURIComponent(`${username}:${password}`)))

/**
 * The URL in a text: with scheme, two slashes and a host, and a login that can be decoded. The parser would also accept
 * `https:host` and ignore line breaks within.
 */
const urlIn = (text: string, schemes: RegExp): URL | undefined => {
  if (text.length > longestUrl || /[\s\p{Cc}]/u.test(text)) return undefined
  if (!/^[a-z][a-z\d+.-]{0,15}:\/\/[^/]/i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  return schemes.test(url.protocol) && url.hostname !== "" && isDecodable(url) ? url : undefined
}

/** The URL of a Valkey or Redis; it contains the password. */
export const redisUrl = redacted(
  textThat(
    "a redis:// or rediss:// (TLS) URL, such as rediss://user:password@valkey.example.org:6379",
    { format: "uri", pattern: "^rediss?://" },
    (text) => {
      const url = urlIn(text, /^rediss?:$/)
      // The path is the number of a database.
      return url !== undefined && /^\/?\d*$/.test(url.pathname)
    },
  ),
)

const sentryDsnPattern = /^https?:\/\/\w+(:\w*)?@[\w.-]+(:\d+)?\/([\w.-]+\/)*\d+$/

/** The DSN of a Sentry project. It gives write access, so it is secret. */
export const sentryDsn = redacted(
  textThat(
    "a DSN as Sentry shows it, such as https://key@sentry.example.org/1",
    { maxLength: longestUrl, pattern: sentryDsnPattern.source },
    // As strict as Sentry's own library, which would print a DSN that it cannot parse.
    (dsn) => dsn.length <= longestUrl && sentryDsnPattern.test(dsn),
  ),
)

const upstreamUrl = /^https?:$/

/** What of a URL, or of one in a list, could be a secret, in words that quote nothing of it; `undefined` if nothing could. */
const urlFault = (value: unknown): string | undefined => {
  if (JSON.stringify(value).includes("@")) return "a URL with a user or password in it"
  return typeof value === "string" && /[?#]/.test(value) ? "a URL with a query or fragment" : undefined
}

/** An upstream's URL: it appears in logs, errors and readiness, and so may contain no secret. */
export const httpUrl = textThat(
  "an http:// or https:// URL without user, password, query and fragment",
  { format: "uri", maxLength: longestUrl, pattern: "^[Hh][Tt][Tt][Pp][Ss]?://[^/@?#][^@?#]*$" },
  // A password may contain a /, which ends the host for the parser: so no @ anywhere.
  (text) => urlIn(text, upstreamUrl) !== undefined && !/[@?#]/.test(text),
  urlFault,
)

export const proxyUrl = textThat(
  "a proxy with its scheme, such as socks5h://proxy.example.org:1080 (socks4, socks4a, socks5, socks5h, http, https)",
  {
    format: "uri",
    maxLength: longestUrl,
    pattern: "^([Ss][Oo][Cc][Kk][Ss](4[Aa]?|5[Hh]?)|[Hh][Tt][Tt][Pp][Ss]?)://",
  },
  (text) => {
    const url = urlIn(text, /^(socks(4a?|5h?)|https?):$/)
    // A path could only be part of a password that is not percent-encoded.
    return url !== undefined && /^\/?$/.test(url.pathname) && url.search === "" && url.hash === ""
  },
  (value) =>
    typeof value === "string" && URL.canParse(value) && !isDecodable(new URL(value))
      ? "a URL whose user or password is not percent-encoded"
      : undefined,
)

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
/** In characters; a longer text is not a plausible number. */
const longestNumber = 64
const timeSpanPattern = /^(\d+(?:\.\d+)?)\s{0,8}(ms|s|m|h)?$/

/**
 * A time span: seconds as a number, or with a unit.
 *
 * @param least milliseconds
 * @param most milliseconds
 */
const timeSpanBetween = (least: number, most: number, limits: string): SettingType<Duration.Duration> => ({
  allowed: `seconds, or a number with a unit: 500ms, 10s, 5m, 1h; ${limits}`,
  jsonSchema: {
    anyOf: [
      { type: "number", minimum: least / 1000, maximum: most / 1000 },
      { type: "string", maxLength: longestNumber, pattern: "^\\s*\\d+(\\.\\d+)?\\s*(ms|s|m|h)?\\s*$" },
    ],
  },
  decode: (value) => {
    const match = typeof value === "string" && value.length <= longestNumber ? timeSpanPattern.exec(value) : null
    const milliseconds =
      typeof value === "number"
        ? value * 1000
        : match === null
          ? Number.NaN
          : Number(match[1]) * (units[match[2] ?? "s"] ?? 1000)
    return milliseconds >= least && milliseconds <= most ? Duration.millis(milliseconds) : undefined
  },
})

const hour = 3_600_000

/** How long data is kept or counts: at most a year, within which any proxy is restarted. */
export const timeSpan = timeSpanBetween(0, 8760 * hour, "at most 8760h")

/** The timeout of an attempt. Below the minimum no response can arrive; beyond 24 days a Node timer fires at once. */
export const timeout = timeSpanBetween(10, hour, "from 10ms to 1h")

/** The maximum length of a list: each item is compared for each request or resource. */
const longestList = 100

const listOf = (item: SettingType<string>, allowed: string): SettingType<ReadonlyArray<string>> => ({
  allowed,
  jsonSchema: {
    anyOf: [
      { type: "array", items: item.jsonSchema, minItems: 1, maxItems: longestList },
      { type: "string", minLength: 1 },
    ],
  },
  decode: (value) => {
    const items: unknown = typeof value === "string" ? value.split(",", longestList + 1) : value
    if (!Array.isArray(items) || items.length === 0 || items.length > longestList) return undefined
    const decoded = items.map((one: unknown) => item.decode(typeof one === "string" ? unwrapped(one) : one))
    return decoded.every((one) => one !== undefined) ? decoded : undefined
  },
})

export const textList = listOf(text, "a list of strings, or one string with commas between the items")

const origin = textThat("an origin", { format: "uri", pattern: "^https?://[^/@?#]+$" }, (text) => {
  const url = urlIn(text, upstreamUrl)
  return url !== undefined && url.origin === text
})

/** Origins of web servers: scheme, host and port as browsers write them. */
export const originList: SettingType<ReadonlyArray<string>> = {
  ...listOf(
    origin,
    "origins: a scheme, a host in lower case and a port if it is not the scheme's own, such as https://example.org",
  ),
  fault: urlFault,
}

export const mapping: SettingType<Readonly<Record<string, unknown>>> = {
  allowed: "a mapping (in the environment: a JSON object)",
  jsonSchema: { type: "object" },
  decode: (value) => {
    if (typeof value !== "string") return isJsonObject(value) ? value : undefined
    try {
      JSON.parse(value)
      // JSON is YAML, and the YAML reader rejects duplicate keys and deep nesting.
      return value.startsWith("{") ? yamlMapping(value) : undefined
    } catch {
      return undefined
    }
  },
}

const slug = { type: "string", minLength: 1, pattern: "^[^,]*\\S[^,]*$" }

/** The storage systems; each one is checked when the settings are assembled. */
export const systemMapping: SettingType<Readonly<Record<string, unknown>>> = {
  ...mapping,
  allowed: "a mapping of names to slugs of offerings, or to {slug, uuid} (in the environment: a JSON object)",
  jsonSchema: {
    type: "object",
    minProperties: 1,
    maxProperties: longestList,
    additionalProperties: {
      anyOf: [
        slug,
        {
          type: "object",
          required: ["slug"],
          additionalProperties: false,
          properties: {
            slug,
            uuid: {
              type: "string",
              pattern: "^\\s*[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}\\s*$",
              description: "The offering's UUID, dashed or not; only its resources are served.",
            },
          },
        },
      ],
    },
  },
}

export const oneOf = <const L extends ReadonlyArray<string>>(...literals: L): SettingType<L[number]> => ({
  allowed: `one of: ${literals.join(", ")}`,
  jsonSchema: { type: "string", enum: literals },
  decode: (value) => literals.find((literal) => literal === value),
})

const levels = oneOf("debug", "info", "warning", "error")

/** The log level; case-insensitive, as in other programs. */
export const logLevel: typeof levels = {
  ...levels,
  decode: (value) => levels.decode(typeof value === "string" ? value.toLowerCase() : value),
}

import { Duration, Redacted } from "effect"

/**
 * A type that a setting can have. Each takes what YAML gives (true, 10, a list) and what an environment variable gives (a
 * text).
 */
export interface SettingType<A> {
  /** What is allowed, for a person. */
  readonly allowed: string
  /** What is allowed in the YAML file, as JSON Schema, for editors. */
  readonly jsonSchema: Readonly<Record<string, unknown>>
  /** `undefined` for what is not allowed. */
  readonly decode: (value: unknown) => A | undefined
  /** No log, error or debug answer may show it; it is also read from a file that a variable names. */
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

/** A yes or no as the `debug` parameter takes it; `undefined` for anything else. */
export const parseFlag = (text: string): boolean | undefined => {
  const key = text.toLowerCase()
  return Object.hasOwn(flags, key) ? flags[key] : undefined
}

export const flag: SettingType<boolean> = {
  allowed: "true or false (also 1, 0, yes, no, on, off)",
  jsonSchema: { type: "boolean" },
  decode: (value) => (typeof value === "string" ? parseFlag(value) : typeof value === "boolean" ? value : undefined),
}

const numberFrom = (value: unknown): number | undefined => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

export const positiveNumber: SettingType<number> = {
  allowed: "a number above 0",
  jsonSchema: { type: "number", exclusiveMinimum: 0 },
  decode: (value) => {
    const number = numberFrom(value)
    return number !== undefined && number > 0 ? number : undefined
  },
}

export const ratio: SettingType<number> = {
  allowed: "a number from 0 to 1",
  jsonSchema: { type: "number", minimum: 0, maximum: 1 },
  decode: (value) => {
    const number = numberFrom(value)
    return number !== undefined && number >= 0 && number <= 1 ? number : undefined
  },
}

export const positiveInteger: SettingType<number> = {
  allowed: "a whole number of at least 1",
  jsonSchema: { type: "integer", minimum: 1 },
  decode: (value) => {
    const number = numberFrom(value)
    return number !== undefined && Number.isSafeInteger(number) && number >= 1 ? number : undefined
  },
}

export const text: SettingType<string> = {
  allowed: "a text that is not empty",
  jsonSchema: { type: "string", minLength: 1 },
  decode: (value) => (typeof value === "string" && value.trim() !== "" ? value : undefined),
}

const kept = (type: SettingType<string>): SettingType<Redacted.Redacted> => ({
  ...type,
  isSecret: true,
  decode: (value) => {
    const given = type.decode(value)
    return given === undefined ? undefined : Redacted.make(given)
  },
})

/** A text that no log, error or debug answer may show. */
export const secret = kept(text)

const sentryDsnPattern = /^https?:\/\/\w+(:\w*)?@[\w.-]+(:\d+)?\/([\w.-]+\/)*\d+$/

const urlOf = (schemes: RegExp) => (value: unknown) =>
  typeof value === "string" && URL.canParse(value) && schemes.test(new URL(value).protocol) ? value : undefined

/** Of a Valkey or Redis; it holds its password. */
export const redisUrl = kept({
  allowed: "a redis:// or rediss:// (TLS) URL, such as rediss://user:password@valkey.example.org:6379",
  jsonSchema: { type: "string", format: "uri", pattern: "^rediss?://" },
  decode: (value) => {
    const given = urlOf(/^rediss?:$/)(value)
    if (given === undefined) return undefined
    const { hostname, pathname, username, password } = new URL(given)
    // What is percent-encoded must be so; the path is the number of a database.
    const isLogin = !/%(?![0-9A-Fa-f]{2})/.test(username + password)
    return hostname !== "" && /^\/?\d*$/.test(pathname) && isLogin ? given : undefined
  },
})

/** Of a project in Sentry. Whoever has it can write there, so it is kept. */
export const sentryDsn = kept({
  allowed: "a DSN as Sentry shows it, such as https://key@sentry.example.org/1",
  jsonSchema: { type: "string", pattern: sentryDsnPattern.source },
  // As strict as Sentry's own library, which would print one that it cannot read.
  decode: (value) => (typeof value === "string" && sentryDsnPattern.test(value) ? value : undefined),
})

export const httpUrl: SettingType<string> = {
  allowed: "an http:// or https:// URL",
  jsonSchema: { type: "string", format: "uri", pattern: "^https?://" },
  decode: urlOf(/^https?:$/),
}

export const proxyUrl: SettingType<string> = {
  allowed:
    "a proxy with its scheme, such as socks5h://proxy.example.org:1080 (socks4, socks4a, socks5, socks5h, http, https)",
  jsonSchema: { type: "string", format: "uri", pattern: "^(socks(4a?|5h?)|https?)://" },
  decode: (value) => {
    const given = urlOf(/^(socks(4a?|5h?)|https?):$/)(value)
    return given !== undefined && new URL(given).hostname !== "" ? given : undefined
  },
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A time span: seconds as a number, or with a unit. */
export const timeSpan: SettingType<Duration.Duration> = {
  allowed: "seconds, or a number with a unit: 500ms, 10s, 5m, 1h",
  jsonSchema: {
    anyOf: [
      { type: "number", minimum: 0 },
      { type: "string", pattern: "^\\s*\\d+(\\.\\d+)?\\s*(ms|s|m|h)?\\s*$" },
    ],
  },
  decode: (value) => {
    if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? Duration.seconds(value) : undefined
    const match = typeof value === "string" ? /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*$/.exec(value) : null
    return match === null ? undefined : Duration.millis(Number(match[1]) * (units[match[2] ?? "s"] ?? 1000))
  },
}

export const textList: SettingType<ReadonlyArray<string>> = {
  allowed: "a list of texts, or one text with commas between them",
  jsonSchema: {
    anyOf: [
      { type: "array", items: { type: "string", minLength: 1 }, minItems: 1 },
      { type: "string", minLength: 1 },
    ],
  },
  decode: (value) => {
    const items: unknown = typeof value === "string" ? value.split(",").map((item) => item.trim()) : value
    return Array.isArray(items) && items.length > 0 && items.every((item) => text.decode(item) !== undefined)
      ? items
      : undefined
  },
}

/** Whether a value is a YAML mapping or a JSON object. */
export const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const mapping: SettingType<Readonly<Record<string, unknown>>> = {
  allowed: "a mapping (in the environment: a JSON object)",
  jsonSchema: { type: "object" },
  decode: (value) => {
    if (typeof value !== "string") return isMapping(value) ? value : undefined
    try {
      const parsed: unknown = JSON.parse(value)
      return isMapping(parsed) ? parsed : undefined
    } catch {
      return undefined
    }
  },
}

export const oneOf = <const L extends ReadonlyArray<string>>(...literals: L): SettingType<L[number]> => ({
  allowed: `one of: ${literals.join(", ")}`,
  jsonSchema: { type: "string", enum: literals },
  decode: (value) => literals.find((literal) => literal === value),
})

const levels = oneOf("debug", "info", "warning", "error")

/** How much is logged; written in any case, as other programs take it. */
export const logLevel: typeof levels = {
  ...levels,
  decode: (value) => levels.decode(typeof value === "string" ? value.toLowerCase() : value),
}

import { Duration, Redacted, Schema, SchemaTransformation } from "effect"

/**
 * The types that a setting can have. Each takes what YAML gives (true, 10, a list) and what an environment variable
 * gives (a text), and says in `expected` what is allowed.
 */

const fromText = <A>(
  expected: string,
  parse: (text: string) => A | undefined,
  isDecoded: (value: unknown) => value is A,
) =>
  Schema.Unknown.check(
    Schema.makeFilter(
      (value: unknown) => isDecoded(value) || (typeof value === "string" && parse(value) !== undefined),
      {
        expected,
      },
    ),
  ).pipe(
    Schema.decodeTo(
      Schema.declare(isDecoded),
      SchemaTransformation.transform({
        decode: (value: unknown): A => (isDecoded(value) ? value : (parse(value as string) as A)),
        encode: (value: A): unknown => value,
      }),
    ),
  )

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

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean"
export const Flag = fromText("true or false (also 1, 0, yes, no, on, off)", parseFlag, isBoolean)

const parseNumber = (text: string) => {
  const number = text.trim() === "" ? Number.NaN : Number(text)
  return Number.isFinite(number) ? number : undefined
}
const positive = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value > 0
export const PositiveNumber = fromText(
  "a number above 0",
  (text) => {
    const number = parseNumber(text)
    return positive(number) ? number : undefined
  },
  positive,
)

const natural = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 1
export const PositiveInteger = fromText(
  "a whole number of at least 1",
  (text) => {
    const number = parseNumber(text)
    return natural(number) ? number : undefined
  },
  natural,
)

export const Text = Schema.Unknown.check(
  Schema.makeFilter((value: unknown) => typeof value === "string" && value.trim() !== "", {
    expected: "a text that is not empty",
  }),
).pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transform({ decode: (value: unknown) => String(value), encode: (value): unknown => value }),
  ),
)

/** A text that no log, error or debug answer may show. */
export const Secret = Text.pipe(
  Schema.decodeTo(
    Schema.Redacted(Schema.String),
    SchemaTransformation.transform({
      decode: (text: string) => Redacted.make(text),
      encode: (secret) => Redacted.value(secret),
    }),
  ),
)

export const HttpUrl = Text.check(
  Schema.makeFilter((text: string) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
    expected: "an http:// or https:// URL",
  }),
)

export const SocksProxy = Text.check(
  Schema.makeFilter((text: string) => /^socks(4|4a|5|5h):\/\/.+/i.test(text) && URL.canParse(text), {
    expected:
      "a SOCKS proxy with its scheme, such as socks5h://proxy.example.org:1080 (socks4, socks4a, socks5, socks5h)",
  }),
)

const units: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const parseDuration = (text: string): Duration.Duration | undefined => {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*$/.exec(text)
  return match === null ? undefined : Duration.millis(Number(match[1]) * (units[match[2] ?? "s"] ?? 1000))
}
const parseSeconds = (value: unknown) =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 ? Duration.seconds(value) : undefined

/** A time span: seconds as a number, or with a unit, as in `10s`, `5m`, `1h`, `500ms`. */
export const TimeSpan = Schema.Unknown.check(
  Schema.makeFilter(
    (value: unknown) => (typeof value === "string" ? parseDuration(value) : parseSeconds(value)) !== undefined,
    { expected: "seconds, or a number with a unit: 500ms, 10s, 5m, 1h" },
  ),
).pipe(
  Schema.decodeTo(
    Schema.Duration,
    SchemaTransformation.transform({
      decode: (value: unknown) =>
        (typeof value === "string" ? parseDuration(value) : parseSeconds(value)) ?? Duration.zero,
      encode: (duration): unknown => Duration.toSeconds(duration),
    }),
  ),
)

const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string" && item.trim() !== "")
/** A list of at least one text: a YAML list, or one text with commas. */
export const TextList = fromText(
  "a list of texts, or one text with commas between them",
  (text) => {
    const items = text.split(",").map((item) => item.trim())
    return isTexts(items) ? items : undefined
  },
  isTexts,
)

const isJsonObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
/** A YAML mapping, or its JSON as a text. */
export const Mapping = fromText(
  "a mapping (in the environment: a JSON object)",
  (text) => {
    try {
      const value: unknown = JSON.parse(text)
      return isJsonObject(value) ? value : undefined
    } catch {
      return undefined
    }
  },
  isJsonObject,
)

export const oneOf = <const L extends ReadonlyArray<string>>(literals: L) =>
  Schema.Unknown.check(
    Schema.makeFilter((value: unknown) => typeof value === "string" && literals.includes(value), {
      expected: `one of: ${literals.join(", ")}`,
    }),
  ).pipe(
    Schema.decodeTo(
      Schema.Literals(literals),
      SchemaTransformation.transform({
        decode: (value: unknown) => value as L[number],
        encode: (value): unknown => value,
      }),
    ),
  )

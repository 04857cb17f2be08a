import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { defaultRetryPolicy, makeTransport, redactor, urlForDisplay } from "../src/index.ts"
import { httpServer } from "./loopback-server.ts"

it("a secret is masked; a truncated one, to the end of its word", () => {
  assert.strictEqual(redactor(["abcdefghijkl"])("got Bearer abcdefghijkl, why?"), "got Bearer ***, why?")
  assert.strictEqual(redactor(["abcdefghijkl"])("got Bearer abcdefghi…"), "got Bearer ***")
  assert.strictEqual(redactor(["abcdefghijkl"])('{"token":"abcdefghijkl"}'), '{"token":"***"}')
})

it("a secret with white space is masked", () => {
  assert.strictEqual(redactor(["open sesame"])("the phrase open sesame was wrong"), "the phrase *** was wrong")
})

it("an empty or very short secret masks nothing", () => {
  assert.strictEqual(redactor(["", "a", "of", "all"])("all of it"), "all of it")
})

it.prop(
  "no masked text contains its secret",
  { before: Schema.String, secret: Schema.NonEmptyString.check(Schema.isMinLength(4)), after: Schema.String },
  ({ before, secret, after }) => {
    const masked = redactor([secret])(`${before}${secret}${after}`)
    return secret.includes("*") || !masked.includes(secret)
  },
)

const token = "7f3c0a9be1d24568f0ab12cd34ef56789a0b1c2d"
const clientSecret = 'p&ss "wörd"/+=% Tr0ub4dor'

/** How servers may encode a secret that they repeat. */
const forms: ReadonlyArray<readonly [what: string, formOf: (secret: string) => string]> = [
  ["as it is", (secret) => secret],
  ["behind its scheme", (secret) => `Token ${secret}`],
  ["joined to its scheme", (secret) => `Bearer${secret}`],
  ["in capitals", (secret) => secret.toUpperCase()],
  [
    "in the other case",
    (secret) => secret.replace(/[a-z]/gi, (c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase())),
  ],
  ["backwards", (secret) => [...secret].reverse().join("")],
  ["percent-encoded", encodeURIComponent],
  ["percent-encoded in lower case", (secret) => encodeURIComponent(secret).replace(/%../g, (c) => c.toLowerCase())],
  [
    "percent-encoded byte by byte",
    (secret) => [...Buffer.from(secret)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  ],
  ["in a form", (secret) => new URLSearchParams({ secret }).toString()],
  ["in JSON", JSON.stringify],
  ["in JSON in JSON", (secret) => JSON.stringify(JSON.stringify(secret))],
  [
    "in JSON escapes alone",
    (secret) => [...secret].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  ],
  ["in HTML escapes alone", (secret) => [...secret].map((c) => `&#x${c.charCodeAt(0).toString(16)};`).join("")],
  ["in decimal HTML escapes", (secret) => [...secret].map((c) => `&#${c.charCodeAt(0)};`).join("")],
  ["in a program's escapes", (secret) => [...secret].map((c) => `\\x${c.charCodeAt(0).toString(16)}`).join("")],
  [
    "percent-encoded twice",
    (secret) => [...Buffer.from(secret)].map((byte) => `%25${byte.toString(16).padStart(2, "0")}`).join(""),
  ],
  ["in UTF-16", (secret) => [...secret].join("\u0000")],
  ["with characters between that show nothing", (secret) => [...secret].join("\u200b")],
  ["in base64", (secret) => Buffer.from(secret).toString("base64")],
  ["in base64url", (secret) => Buffer.from(secret).toString("base64url")],
  ["in the base64 of Basic", (secret) => `Basic ${Buffer.from(`storage-proxy:${secret}`).toString("base64")}`],
  ["in the base64 of Basic with a longer name", (secret) => Buffer.from(`storage-proxy2:${secret}`).toString("base64")],
  ["in the base64 of a header", (secret) => Buffer.from(`Authorization: Token ${secret}\r\n`).toString("base64")],
  ["in hex", (secret) => Buffer.from(secret).toString("hex")],
  ["in capital hex", (secret) => Buffer.from(secret).toString("hex").toUpperCase()],
  ["without its start", (secret) => secret.slice(5)],
  ["without its end", (secret) => secret.slice(0, -5)],
]

describe.each([
  ["a token", token],
  ["a secret of all characters", clientSecret],
])("%s", (_, secret) => {
  it.each(forms)("is masked %s", (_what, formOf) => {
    const spelt = formOf(secret)
    const shown = redactor([Redacted.make(secret)])(`You sent ${spelt} and that is wrong.`)
    assert.include(shown, "***")
    assert.match(shown, /^You sent .* wrong\.$/)
    const readings = [shown, unescapedPercent(shown), Buffer.from(shown.replace(/[^\w+/=-]/g, ""), "base64").toString()]
    for (let at = 0; at + 8 <= secret.length; at++) {
      for (const reading of readings) assert.notInclude(reading.toLowerCase(), secret.slice(at, at + 8).toLowerCase())
    }
  })
})

const unescapedPercent = (text: string) =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))

it("a million characters full of the beginnings of a secret, or of an escape, take linear time to mask", () => {
  const mask = redactor(["a".repeat(2000)])
  assert.strictEqual(mask("aaaaaaa ".repeat(125_000)).length, 1_000_000)
  assert.isBelow(mask("ab".repeat(500_000)).length, 1_000_001)
  assert.strictEqual(mask(`${"%".repeat(500_000)}${"&#".repeat(250_000)}`).length, 1_000_000)
})

it.each([
  ["https://waldur.example.org/api/", "https://waldur.example.org/api/"],
  ["https://someone:hunter2@waldur.example.org/api/?q=1#f", "https://waldur.example.org/api/"],
  ["https://someone:hun/ter@2@waldur.example.org/api/", "https://waldur.example.org/api/"],
  ["https://someone:hun?ter2#x@waldur.example.org/", "https://waldur.example.org/"],
  ["https://waldur.example.org/?mail=a@b", "https://waldur.example.org/"],
  ["no URL", "no URL"],
])('the URL "%s" is shown as "%s"', (url, shown) => {
  assert.strictEqual(urlForDisplay(url), shown)
})

it.live("a password in the upstream's URL is in no failure", () =>
  Effect.gen(function* () {
    const server = yield* httpServer((_, response) => response.writeHead(500).end("someone:hunter2-and-more"))
    const baseUrl = server.url.replace("http://", "http://someone:hunter2-and-more@")
    const transport = yield* makeTransport({ upstream: "test", baseUrl, retry: { ...defaultRetryPolicy, times: 0 } })
    const failure = yield* Effect.flip(transport.call({ method: "GET", path: "a/" }))
    assert.strictEqual(failure.call, `GET ${server.url}a/`)
    assert.notMatch(`${failure.message} ${JSON.stringify(failure)} ${failure.stack}`, /hunter2/)
  }),
)

it.live("a secret that the caller passes is in no failure, whatever its source", () =>
  Effect.gen(function* () {
    const server = yield* httpServer((_, response) =>
      response.writeHead(403).end(`{"detail":"${clientSecret.slice(4, 20)}"}`),
    )
    const transport = yield* makeTransport({
      upstream: "test",
      baseUrl: server.url,
      secrets: [Redacted.make(clientSecret)],
    })
    const failure = yield* Effect.flip(transport.call({ method: "GET", path: "a/" }))
    assert.notInclude(failure.message, clientSecret.slice(4, 12))
    assert.notInclude(transport.redact(`it is ${clientSecret}`), clientSecret)
  }),
)

it.live("a failure masks the credential of a header that changes between two attempts", () =>
  Effect.gen(function* () {
    const server = yield* httpServer((request, response) =>
      response.writeHead(server.requests.length < 2 ? 503 : 403).end(`refused: ${request.headers.authorization}`),
    )
    const tokens = [token, token, "0123456789abcdef0123456789abcdef01234567"]
    const transport = yield* makeTransport({
      upstream: "test",
      baseUrl: server.url,
      headers: () => ({ authorization: `Token ${tokens.shift()}` }),
    })
    const failure = yield* Effect.flip(transport.call({ method: "GET", path: "" }))
    assert.deepStrictEqual([failure.status, failure.detail, tokens], [403, "refused: Token ***", []])
  }),
)

import { Redacted } from "effect"
import { describe, expect, test } from "vitest"
import { scrubberOf } from "../src/telemetry/scrubber.ts"

const jwt = `eyJ${"a".repeat(20)}.eyJ${"b".repeat(30)}.${"c".repeat(40)}`

describe("exported text", () => {
  test.each([
    [`Authorization: Bearer ${jwt}`, /aaaa|bbbb|cccc/],
    ["Bearer abc.def", /abc/],
    [`reported ${jwt}!`, /aaaa/],
    ["Authorization: Token 0123456789abcdef0123456789abcdef01234567", /0123/],
    ["responded with 0123456789abcdef0123456789abcdef01234567", /0123/],
    ["GET https://bob:pa/ss@w0rd@host/x?state=open&token=abc#y", /bob|pa\/ss|w0rd|open|abc/],
    ["redis://:hunter2@valkey:6379", /hunter2/],
    ['{"client_secret":"s3,}cret","password": "p w"}', /s3,|}c|p w/],
    ['{\\"access_token\\":\\"s3cret\\"}', /s3cret/],
    ["client_secret=s3cret&x=1", /s3cret/],
    ["cookie: session=s3cret", /s3cret/],
  ])("contains nothing in the form of a secret: %s", (text, secret) => {
    expect(scrubberOf([])(text)).not.toMatch(secret)
  })

  test("keeps what is not a secret", () => {
    const texts = [
      "Refresh failed",
      "Waldur refused the API token (it is wrong, or it has expired): HEAD http://127.0.0.1:1/api/x/ responded with 401",
      "at readSnapshot (file:///app/dist/main.js:12:34)",
      "0123456789abcdef0123456789abcdef",
    ]
    for (const text of texts) expect(scrubberOf([])(text)).toBe(text)
  })

  test("contains no secret of the settings in any spelling", () => {
    const secret = 'Hpc+User/Secret=%41&"x"-7f3a9c2e51'
    const settings = {
      waldur: { token: Redacted.make(secret), proxy: "socks5h://me:proxy-pass@p:1080" },
      cache: { url: Redacted.make("redis://:valkey-pass@v:6379") },
      telemetry: { variables: { OTEL_EXPORTER_OTLP_HEADERS: "api-key=otel%20pass" } },
    }
    const scrub = scrubberOf(settings)
    const spelt = [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret),
      Buffer.from(`me:${secret}`).toString("base64"),
      "proxy-pass",
      "valkey-pass",
      "otel pass",
      "otel%20pass",
    ]
    for (const text of spelt) expect(scrub(`<${text}>`)).not.toMatch(/User|VXNlc|-pass|otel/)
  })

  test("is scrubbed in any structure", () => {
    const scrub = scrubberOf({ token: Redacted.make("hunter2-x") })
    const circular: Record<string, unknown> = {
      list: ["hunter2-x"],
      "hunter2-x": 1,
      API_TOKEN: { a: 1 },
      n: 5,
      z: null,
    }
    circular.self = circular
    expect(scrub(circular)).toEqual({ list: ["***"], "***": 1, API_TOKEN: "***", n: 5, z: null, self: "…" })
  })
})

import { RotatingSecret } from "@cscs/http-transport"
import { Redacted } from "effect"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { isSecretName, masker, maskFound, maskText, maskValue, secretsIn } from "../src/observability/mask-secrets.ts"

const hidden = "hunter2-and-more"

describe("a field name", () => {
  test.each([
    "client_secret",
    "secrets",
    "API_TOKEN",
    "tokens",
    "access_token_2",
    "passwd",
    "userPassword",
    "credentials",
    "api_key",
    "apiKey",
    "private_key",
    "X-Api-Key",
    "ssh_keys",
    "sshKeys",
    "Authorization",
  ])("%s names a secret", (name) => {
    expect(isSecretName(name)).toBe(true)
    const value = { deep: [{ [name]: { inner: hidden } }], [name]: hidden, empty: { [name]: null } }
    const masked = maskValue(value)
    expect(JSON.stringify(masked)).not.toContain(hidden)
    expect(masked.empty).toEqual({ [name]: null })
  })

  test.each(["name", "keyboard", "path", "slug", "key", "keys", "backend_id"])("%s does not name a secret", (name) => {
    expect(isSecretName(name)).toBe(false)
    expect(maskValue({ [name]: hidden })).toEqual({ [name]: hidden })
  })
})

describe("a text", () => {
  test.each([
    `{"api_key":"${hidden}"}`,
    `{"private_key": "${hidden}`,
    `{"a":{"credentials":{"user":"${hidden}"}}}`,
    `{\\"access_token\\":\\"${hidden}\\",\\"b\\":1}`,
    `{"client_secret":"a\\"},${hidden}"}`,
    `client_secret=${hidden}&x=1`,
    `passwd: ${hidden}`,
    `curl -H "Authorization: Bearer ${hidden}" https://host/`,
    `Authorization: Token ${hidden}`,
    `https://user:${hidden}@host/path`,
    `https://user:p@${hidden}/x@host/path and https://u:${hidden}@other`,
    `"https:\\/\\/user:${hidden}@host"`,
    `?next=https%3A%2F%2Fuser%3A${hidden}%40host`,
    `redis://:${hidden}@valkey:6379/0`,
  ])("shows no secret of a known form: %s", (text) => {
    expect(maskText(text)).not.toContain(hidden)
    expect(maskText(text)).toContain("***")
  })

  test.each([
    "Refresh failed",
    "The token issuer: keys: reset: other side closed",
    "Waldur refused the API token (it is wrong, or it has expired): HEAD http://127.0.0.1:1/api/x/ responded with 401",
    '{"token":null,"name":"a","key_count":3}',
    "a@b.example.org, https://host/path and //nothing",
  ])("without a secret is unchanged: %s", (text) => {
    expect(maskText(text)).toBe(text)
  })

  test("that is JSON stays JSON", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom("token", "plain"), (json, name) => {
        const text = `{"${name}":${json},"last":1}`
        const masked = maskText(text)
        if (masked !== text && !/[{[]/.test(json)) expect(() => JSON.parse(masked)).not.toThrow()
      }),
    )
  })

  test("is masked in linear time, whatever it consists of", () => {
    const mask = masker(["a-secret-of-the-settings", "aaaaaaaaaaaaaaaa"])
    const long = 200_000
    for (const piece of [
      "a",
      "a:",
      "=",
      '"',
      '\\"',
      "\\",
      "://",
      "a://",
      "@",
      " ",
      ": ",
      "token",
      'token="',
      "%",
      "%41",
      "&#65;",
      "\\u0041",
      "{",
      "key=",
      "a-secret-",
      "…",
    ]) {
      // A quadratic rule takes minutes for some of these.
      const text = piece.repeat(long / piece.length)
      expect(typeof mask(text)).toBe("string")
      expect(typeof mask(`token=${text}`)).toBe("string")
    }
  })
})

describe("a finding", () => {
  test("of a secret field shows a mask, whatever was found", () => {
    for (const field of ["attributes.api_key", "attributes.credentials.user", "options.private_key", "tokens[0].a"]) {
      for (const found of [hidden, { a: hidden }, [hidden], 5]) expect(maskFound(field, found)).toBe("***")
      expect(maskFound(field, null)).toBeNull()
    }
  })

  test("of another field shows what was found, without the secrets in it", () => {
    expect(maskFound("attributes.permissions", "abc")).toBe("abc")
    expect(maskFound("attributes", { api_key: hidden, b: 1 })).toEqual({ api_key: "***", b: 1 })
  })
})

describe("a secret of the settings", () => {
  const settings = {
    waldur: {
      token: Redacted.make("0123456789abcdef0123456789abcdef01234567"),
      proxy: "socks5h://me:proxy-pass@p:1080",
    },
    secret: Redacted.make('Hpc+User/Secret=%41&"x"-7f3a9c2e51'),
    cache: { url: Redacted.make("redis://:valkey-pass@v:6379") },
  }
  const mask = masker(secretsIn(settings))

  test("is masked in any spelling", () => {
    const all = [
      "0123456789abcdef0123456789abcdef01234567",
      'Hpc+User/Secret=%41&"x"-7f3a9c2e51',
      "proxy-pass",
      "valkey-pass",
    ]
    for (const secret of all) {
      const spelt = [
        secret,
        secret.toUpperCase(),
        encodeURIComponent(secret),
        encodeURIComponent(secret).toLowerCase(),
        new URLSearchParams({ v: secret }).toString(),
        JSON.stringify(JSON.stringify(secret)),
        ...["", "u", "us", "user:", "user:x"].flatMap((before) => [
          Buffer.from(before + secret).toString("base64"),
          Buffer.from(`${before}${secret} and more`).toString("base64url"),
        ]),
        Buffer.from(secret).toString("hex"),
        [...Buffer.from(secret)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
        [...secret].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
        [...secret].map((one) => `&#${one.charCodeAt(0)};`).join(""),
      ]
      for (const text of spelt) {
        const shown = mask(`before ${text} after`)
        expect([text, shown]).toEqual([text, expect.stringContaining("***")])
        expect(shown).not.toContain(secret)
      }
    }
  })

  test("that is truncated at the end of a text is masked there", () => {
    expect(mask("responded with 0123456789abc…")).toBe("responded with ***")
    expect(mask("responded with 0123456789abcdef")).toBe("responded with ***")
    expect(mask("responded with 01234567-and-more")).toBe("responded with 01234567-and-more")
  })

  test("is absent from a value of any shape", () => {
    fc.assert(
      fc.property(fc.anything({ withDate: true, withMap: true, withTypedArray: true }), (value) => {
        const shown = maskValue({ value, deep: [{ at: "x proxy-pass y" }] }, mask)
        expect(JSON.stringify(shown, (_, one) => (typeof one === "bigint" ? String(one) : one))).not.toContain(
          "proxy-pass",
        )
      }),
    )
  })

  test("does not prevent a value of any depth or width from being shown", () => {
    let deep: unknown = "proxy-pass"
    for (let level = 0; level < 100_000; level++) deep = level % 2 === 0 ? [deep] : { deep }
    expect(JSON.stringify(maskValue(deep, mask))).not.toContain("proxy-pass")
    const circular: Record<string, unknown> = { a: 1 }
    circular.self = [circular, circular]
    expect(maskValue(circular, mask)).toEqual({ a: 1, self: ["…", "…"] })
    const thrower = {
      get bad() {
        throw new Error("no")
      },
    }
    expect(JSON.stringify(maskValue({ thrower }, mask))).toBe('{"thrower":"…"}')
  })
})

describe("a text that contained no secret", () => {
  test("is masked once a part of it becomes one", () => {
    const secret = new RotatingSecret(Redacted.make("the-first-secret"))
    const masked = masker([secret])
    const text = "value the-second-secret"
    expect([masked(text), masked(text)]).toEqual([text, text])
    secret.replace(Redacted.make("the-second-secret"))
    expect(masked(text)).toBe("value ***")
    expect(masked("value the-first-secret")).toBe("value ***")
  })
})

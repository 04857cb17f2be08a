import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { readProjectExport } from "../src/answer.ts"
import { readTokenGrant, readTokenRefusal } from "../src/token-answer.ts"

const read = (records: ReadonlyArray<unknown>, asked: ReadonlyArray<string> = ["a"]) => {
  const decided = readProjectExport(JSON.parse(JSON.stringify({ projects: records })), asked, 1000)
  return { known: Object.fromEntries(decided?.known ?? []), unknown: Object.fromEntries(decided?.unknown ?? []) }
}
const a = (unixGid: unknown) => ({ posixName: "a", unixGid })

describe("reading the project export", () => {
  it("takes an integer of at least the minimum by exact name, and nothing that was not asked for", () => {
    assert.deepStrictEqual(
      read([a(1000), { posixName: "B", unixGid: 31002 }, { posixName: "z", unixGid: 31009, more: {} }], ["a", "b"]),
      { known: { a: 1000 }, unknown: { b: "the HPC User API does not know it" } },
    )
  })

  it.each([
    { gid: 999, why: "unixGid is 999, below 1000" },
    { gid: 0, why: "unixGid is 0, below 1000" },
    { gid: -31001, why: "unixGid is -31001, below 1000" },
    { gid: "31001", why: 'unixGid is "31001", not an integer' },
    { gid: 31001.5, why: "unixGid is 31001.5, not an integer" },
    { gid: true, why: "unixGid is true, not an integer" },
    { gid: [31001], why: 'unixGid is "[31001]", not an integer' },
    { gid: 1e300, why: "unixGid is 1e+300, not an integer" },
    { gid: null, why: "the HPC User API gives it no unixGid" },
    { gid: undefined, why: "the HPC User API gives it no unixGid" },
    { gid: "x".repeat(100), why: `unixGid is "${"x".repeat(59)}…, not an integer` },
  ])("$gid is no GID", ({ gid, why }) => {
    assert.deepStrictEqual(read([a(gid)]), { known: {}, unknown: { a: why } })
  })

  it("an odd record costs no other its place", () => {
    const odd = [null, 7, "a", [], {}, { posixName: 1, unixGid: 31007 }, { unixGid: 31008 }, a("x")]
    assert.deepStrictEqual(read([...odd, { posixName: "b", unixGid: 31002 }], ["a", "b"]), {
      known: { b: 31002 },
      unknown: { a: 'unixGid is "x", not an integer' },
    })
  })

  it("the same value twice is one value", () => {
    assert.deepStrictEqual(read([a(31001), { posixName: "b" }, a(31001)]), { known: { a: 31001 }, unknown: {} })
  })

  it("two values are none, wherever they are and however wrong one of them is", () => {
    const between = { posixName: "b", unixGid: 31002 }
    assert.deepStrictEqual(read([a(31001), between, a(31002)]).unknown, { a: "two values: 31001, 31002" })
    assert.deepStrictEqual(read([a(31001), a("31001")]).unknown, { a: 'two values: 31001, "31001"' })
    assert.deepStrictEqual(read([a(500), a(31001)]).unknown, { a: "two values: 500, 31001" })
    assert.deepStrictEqual(read([a(31001), a(31002), a(31003)]).unknown, { a: "3 values: 31001, 31002, 31003" })
  })

  it("a record without a value does not contradict one that has it", () => {
    assert.deepStrictEqual(read([a(null), a(31001)]).known, { a: 31001 })
  })

  it.each([[null], ["text"], [[]], [{}], [{ projects: {} }], [{ projects: null }], [undefined]])(
    "%j is not of its frame",
    (body) => {
      assert.isUndefined(readProjectExport(body, ["a"], 1000))
    },
  )

  it("names that every object inherits are plain names", () => {
    const names = ["__proto__", "constructor", "toString"]
    const decided = readProjectExport({ projects: [{ posixName: "constructor", unixGid: 31001 }] }, names, 1000)
    assert.deepStrictEqual([...(decided?.known ?? [])], [["constructor", 31001]])
    assert.deepStrictEqual([...(decided?.unknown.keys() ?? [])], ["__proto__", "toString"])
  })
})

describe("reading the token endpoint", () => {
  it("a bearer token in any case, with its life as number or text", () => {
    const grant = readTokenGrant({ access_token: "t", token_type: "bearer", expires_in: 300 })
    assert.strictEqual(grant && Redacted.value(grant.accessToken), "t")
    assert.strictEqual(grant?.expiresIn, 300)
    assert.strictEqual(readTokenGrant({ access_token: "t", token_type: "BEARER", expires_in: "60" })?.expiresIn, 60)
    assert.isUndefined(readTokenGrant({ access_token: "t", token_type: "Bearer" })?.expiresIn)
  })

  it.each([
    [null],
    [{}],
    [{ access_token: "", token_type: "Bearer" }],
    [{ access_token: "t" }],
    [{ access_token: "t", token_type: "DPoP" }],
    [{ access_token: "t", token_type: "Bearer", expires_in: "soon" }],
  ])("%j grants nothing", (body) => {
    assert.isUndefined(readTokenGrant(body))
  })

  it("a refusal is OAuth's, else none", () => {
    assert.deepStrictEqual(readTokenRefusal('{"error":"invalid_client","error_description":"no"}'), {
      error: "invalid_client",
      errorDescription: "no",
    })
    assert.deepStrictEqual(readTokenRefusal('{"error":"invalid_scope"}'), { error: "invalid_scope" })
    assert.isUndefined(readTokenRefusal("<html>"))
    assert.isUndefined(readTokenRefusal('{"detail":"no"}'))
  })
})

import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { parseExport, readProjectExport } from "../src/export-response.ts"

const read = (records: ReadonlyArray<unknown>, requested: ReadonlyArray<string> = ["a"]) => {
  const found = readProjectExport(JSON.parse(JSON.stringify({ projects: records })), requested, 1000)
  return { known: Object.fromEntries(found?.known ?? []), unknown: Object.fromEntries(found?.unknown ?? []) }
}
const a = (unixGid: unknown) => ({ posixName: "a", unixGid })

describe("the project export", () => {
  it("returns an integer of at least the minimum for an exact name, and nothing for other names", () => {
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
    { gid: null, why: "the HPC User API returns no unixGid for it" },
    { gid: undefined, why: "the HPC User API returns no unixGid for it" },
    { gid: "x".repeat(100), why: `unixGid is "${"x".repeat(59)}…, not an integer` },
  ])("does not accept $gid as a GID", ({ gid, why }) => {
    assert.deepStrictEqual(read([a(gid)]), { known: {}, unknown: { a: why } })
  })

  it("with an invalid record keeps the others", () => {
    const odd = [null, 7, "a", [], {}, { posixName: 1, unixGid: 31007 }, { unixGid: 31008 }, a("x")]
    assert.deepStrictEqual(read([...odd, { posixName: "b", unixGid: 31002 }], ["a", "b"]), {
      known: { b: 31002 },
      unknown: { a: 'unixGid is "x", not an integer' },
    })
  })

  it("with one value twice returns that value", () => {
    assert.deepStrictEqual(read([a(31001), { posixName: "b" }, a(31001)]), { known: { a: 31001 }, unknown: {} })
  })

  it("with two values for a name returns neither, wherever they are and even if one is invalid", () => {
    const between = { posixName: "b", unixGid: 31002 }
    assert.deepStrictEqual(read([a(31001), between, a(31002)]).unknown, { a: "two values: 31001, 31002" })
    assert.deepStrictEqual(read([a(31001), a("31001")]).unknown, { a: 'two values: 31001, "31001"' })
    assert.deepStrictEqual(read([a(500), a(31001)]).unknown, { a: "two values: 500, 31001" })
    assert.deepStrictEqual(read([a(31001), a(31002), a(31003)]).unknown, { a: "3 values: 31001, 31002, 31003" })
  })

  it("with a record without a value keeps the name's value from another", () => {
    assert.deepStrictEqual(read([a(null), a(31001)]).known, { a: 31001 })
  })

  it.each([[null], ["text"], [[]], [{}], [{ projects: {} }], [{ projects: null }], [undefined]])(
    "is rejected for an invalid frame: %j",
    (body) => {
      assert.isUndefined(readProjectExport(body, ["a"], 1000))
    },
  )

  it("treats names that every object inherits as plain names", () => {
    const names = ["__proto__", "constructor", "toString"]
    const found = readProjectExport({ projects: [{ posixName: "constructor", unixGid: 31001 }] }, names, 1000)
    assert.deepStrictEqual([...(found?.known ?? [])], [["constructor", 31001]])
    assert.deepStrictEqual([...(found?.unknown.keys() ?? [])], ["__proto__", "toString"])
  })
})

/** The text of a response. */
const readText = (text: string, requested: ReadonlyArray<string> = ["a"], maxGid?: number) => {
  const found = readProjectExport(parseExport(text), requested, 1000, maxGid)
  return { known: Object.fromEntries(found?.known ?? []), unknown: Object.fromEntries(found?.unknown ?? []) }
}
const withGid = (written: string) =>
  `{"projects":[{"posixName":"a","unixGid":${written}},{"posixName":"b","unixGid":31002}]}`

describe("a GID in the raw response", () => {
  it.each([
    ["1000", 1000],
    ["31001", 31001],
    ["65533", 65533],
    ["65536", 65536],
    ["2147483647", 2_147_483_647],
  ] as const)("is known: %s", (written, gid) => {
    assert.deepStrictEqual(readText(withGid(written), ["a", "b"]), { known: { a: gid, b: 31002 }, unknown: {} })
  })

  it.each([
    ["31001.0", 'unixGid is "31001.0", not an integer'],
    ["31001.5", 'unixGid is "31001.5", not an integer'],
    ["1e4", 'unixGid is "1e4", not an integer'],
    ["31001.0000000000000001", 'unixGid is "31001.0000000000000001", not an integer'],
    ["1e400", 'unixGid is "1e400", not an integer'],
    ["-0", "unixGid is 0, below 1000"],
    ["-31001", "unixGid is -31001, below 1000"],
    ["2147483648", "unixGid is 2147483648, above 2147483647"],
    ["4294967295", "unixGid is 4294967295, above 2147483647"],
    ["4294998297", "unixGid is 4294998297, above 2147483647"],
    ["9007199254740993", "unixGid is 9007199254740992, not an integer"],
    ["65534", "unixGid is 65534, reserved, never a project's group"],
    ["65535", "unixGid is 65535, reserved, never a project's group"],
    ['"31001"', 'unixGid is "31001", not an integer'],
    ["true", "unixGid is true, not an integer"],
    ["null", "the HPC User API returns no unixGid for it"],
    ["[31001]", 'unixGid is "[31001]", not an integer'],
    ['{"unixGid":31001}', 'unixGid is "{\\"unixGid\\":31001}", not an integer'],
  ])("is unknown, and does not affect other names: %s", (written, why) => {
    assert.deepStrictEqual(readText(withGid(written), ["a", "b"]), { known: { b: 31002 }, unknown: { a: why } })
  })

  it("is limited further by a narrower configuration, at both ends", () => {
    assert.deepStrictEqual(readText(withGid("60000"), ["a"], 60_000).known, { a: 60_000 })
    assert.deepStrictEqual(readText(withGid("60001"), ["a"], 60_000).unknown, { a: "unixGid is 60001, above 60000" })
    assert.deepStrictEqual(readText(withGid("65534"), ["a"], 4_294_967_295).known, {})
  })

  it.each([
    '{"projects":[{"posixName":"a","unixGid":31001,"unixGid":31002}]}',
    '{"projects":[{"posixName":"a","posixName":"b","unixGid":31001}]}',
    '{"projects":[{"posixName":"a","unixGid":31001,"unix\\u0047id":31002}]}',
    '{"projects":[],"projects":[{"posixName":"a","unixGid":31001}]}',
  ])("is rejected with the whole response if an object contains a name twice: %s", (text) => {
    assert.throws(() => parseExport(text))
  })

  it("is read if several objects contain a name once, and if strings look like names", () => {
    const text =
      '{"projects":[{"posixName":"a","x":{"posixName":"posixName"},"y":["unixGid","unixGid"],"unixGid":31001}]}'
    assert.deepStrictEqual(readText(text).known, { a: 31001 })
    assert.deepStrictEqual(readText('{"projects":[{"posixName":"a\\"}{","unixGid":31001}]}', ['a"}{']).known, {
      'a"}{': 31001,
    })
  })

  it("is found among 100,000 unrequested rows, despite deep and long ones", () => {
    const extra = Array.from({ length: 100_000 }, (_, index) => ({ posixName: `other${index}`, unixGid: index }))
    assert.deepStrictEqual(readText(JSON.stringify({ projects: [...extra, a(31001)] })).known, { a: 31001 })
    const deep = `${"[".repeat(1000)}${"]".repeat(1000)}`
    assert.deepStrictEqual(readText(withGid(deep), ["a", "b"]).known, { b: 31002 })
    assert.deepStrictEqual(readText(withGid(`"${"\\\\".repeat(500_000)}"`), ["a", "b"]).known, { b: 31002 })
  })

  it.each(["a ", " a", "A", "a\\u0000", "\\u0430"])("does not belong to a name that only looks like it: %j", (name) => {
    assert.deepStrictEqual(readText(`{"projects":[{"posixName":"${name}","unixGid":31001}]}`).known, {})
  })

  it("does not depend on other records, whatever they are", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), fc.nat(3), (name, gid, record, place) => {
        const good = [a(31001), { posixName: "b", unixGid: 31002 }]
        for (const bad of [record, { posixName: name, unixGid: gid }, { posixName: "c", unixGid: gid }]) {
          const records = [...good.slice(0, place), bad, ...good.slice(place)]
          const { known } = readText(JSON.stringify({ projects: records }), ["a", "b", "c"])
          if (name !== "a" && (bad as { posixName?: unknown } | null)?.posixName !== "a")
            assert.strictEqual(known.a, 31001)
          if (name !== "b" && (bad as { posixName?: unknown } | null)?.posixName !== "b")
            assert.strictEqual(known.b, 31002)
          for (const value of Object.values(known)) assert.isTrue(Number.isInteger(value) && value >= 1000)
        }
      }),
    )
  })

  it("is not read from a response with another frame", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        const isFrame =
          typeof body === "object" && body !== null && !Array.isArray(body) && Array.isArray(body.projects)
        assert.strictEqual(readProjectExport(body, ["a"], 1000) !== undefined, isFrame)
      }),
    )
  })
})

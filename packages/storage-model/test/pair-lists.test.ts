import { array, assert, constantFrom, json, option, property, record, string } from "fast-check"
import { expect, test } from "vitest"
import { isEqualJson, pairLists } from "../src/index.ts"

const item = record({ key: option(constantFrom("a", "b", "c"), { nil: undefined }), text: string() })

test("paired lists lose no item: each is paired with one of its key, in order, or left in its own list", () => {
  assert(
    property(array(item), array(item), (list, others) => {
      const { pairs, unpaired } = pairLists(list, others, ({ key }) => key)
      expect(pairs.map((pair) => pair.item)).toEqual(list)
      const paired = pairs.flatMap(({ other }) => other ?? [])
      expect(new Set([...paired, ...unpaired])).toEqual(new Set(others))
      expect(paired.length + unpaired.length).toBe(others.length)
      expect(others.filter((other) => unpaired.includes(other))).toEqual(unpaired)
      for (const key of [undefined, "a", "b", "c"]) {
        const ofKey = others.filter((other) => other.key === key)
        const found = pairs.filter((pair) => pair.item.key === key)
        const expected = found.map((_, at) => (key === undefined ? undefined : ofKey[at]))
        expect(found.map(({ other }) => other)).toEqual(expected)
      }
    }),
  )
})

/** The same value with the keys of each object in reverse order. */
const reversed = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, part) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).reverse())
      : part,
  )

test("JSON values are equal if they differ in the order of keys only", () => {
  assert(
    property(json(), json(), (a, b) => {
      const [one, other] = [JSON.parse(a), JSON.parse(b)]
      expect(isEqualJson(one, reversed(one))).toBe(true)
      expect(isEqualJson({ a: one, b: other }, { b: other, a: one })).toBe(true)
      expect(isEqualJson([one, 1], [1, one])).toBe(isEqualJson(one, 1))
    }),
  )
  for (const [one, other] of [
    [[], {}],
    [null, {}],
    [{ a: 1 }, { b: 1 }],
    [{ a: 1 }, { a: 1, b: 1 }],
    ["1", 1],
  ]) {
    expect(isEqualJson(one, other)).toBe(false)
    expect(isEqualJson(other, one)).toBe(false)
  }
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { jsonPrefix, jsonText } from "../src/waldur/json-object.ts"

const nested = (depth: number, end: unknown = null): unknown => {
  let value = end
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

describe("the beginning of a JSON text", () => {
  it("equals that of JSON.stringify, and is complete exactly if the limit allows", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(60), (value, longest) => {
        const whole = JSON.stringify(value)
        const prefix = jsonPrefix(value, longest)
        expect(prefix.text).toBe(whole.slice(0, longest))
        expect(prefix.isWhole).toBe(whole.length <= longest)
        expect(jsonPrefix(value, whole.length)).toMatchObject({ text: whole, isWhole: true })
      }),
    )
  })

  it("omits a key without a value", () => {
    expect(jsonPrefix({ a: undefined, b: 1, c: undefined, d: 2 }, 100)).toEqual({
      text: '{"b":1,"d":2}',
      isWhole: true,
      levels: 1,
    })
  })

  it.each([
    [5, 0],
    [[], 1],
    [{}, 1],
    [[[], [[]]], 3],
    [{ a: [{}] }, 3],
    [nested(20), 20],
    [nested(21), 21],
  ])("of %j counts its levels: %d", (value, levels) => {
    expect(jsonPrefix(value, 1000).levels).toBe(levels)
  })

  it("of a million levels or of a sparse list of four billion ends at the limit", () => {
    expect(jsonPrefix(nested(1_000_000), 200).text).toHaveLength(200)
    const holes: Array<unknown> = []
    holes.length = 2 ** 32 - 1
    expect(jsonPrefix(holes, 200).isWhole).toBe(false)
  })

  it.each([10n, Symbol("x"), () => 5, Number.NaN, undefined])(
    "of %o is incomplete, because it is not JSON",
    (value) => {
      expect(jsonPrefix([value], 1000)).toMatchObject({ text: '["(not JSON)"]', isWhole: false })
    },
  )

  it("of a cycle is incomplete; of a value that occurs twice it is complete", () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    expect(jsonPrefix(cycle, 1000)).toMatchObject({ text: '{"self":"(not JSON)"}', isWhole: false })
    const twice = { a: 1 }
    expect(jsonPrefix([twice, twice], 1000)).toMatchObject({ text: '[{"a":1},{"a":1}]', isWhole: true })
  })
})

describe("a JSON text", () => {
  it("distinguishes values at any depth", () => {
    const [one, other] = [jsonText(nested(100_000, 1)), jsonText(nested(100_000, 2))]
    expect(one).not.toBe(other)
    expect(one).toBe(jsonText(nested(100_000, 1)))
  })
})

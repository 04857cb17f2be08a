import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { exportPath, planBatches, urlLimit } from "../src/batches.ts"

const apiUrl = "https://api-user.example.org"
const urlOf = (names: ReadonlyArray<string>) =>
  `${apiUrl}/${exportPath}?${new URLSearchParams(names.map((name): [string, string] => ["projects", name]))}`

describe("batches of names", () => {
  it.prop(
    "contain every fitting name once, in order, below the limit, and as many as possible",
    [Schema.Array(Schema.String).check(Schema.isMaxLength(300))],
    ([some]) => {
      const names = [...some, ...some.map((name, index) => `${name}-${index}`.repeat(20)), "s1234"]
      const { batches, tooLong } = planBatches(apiUrl, names)
      assert.deepStrictEqual(
        batches.flat(),
        names.filter((name) => !tooLong.includes(name)),
      )
      for (const [index, batch] of batches.entries()) {
        assert.isNotEmpty(batch)
        assert.isBelow(urlOf(batch).length, urlLimit)
        const next = batches[index + 1]?.[0]
        if (next !== undefined) assert.isAtLeast(urlOf([...batch, next]).length, urlLimit)
      }
      for (const name of tooLong) assert.isAtLeast(urlOf([name]).length, urlLimit)
    },
  )

  it("measure the URL as encoded", () => {
    const room = urlLimit - 1 - urlOf([""]).length
    assert.deepStrictEqual(planBatches(apiUrl, ["a".repeat(room)]).tooLong, [])
    assert.strictEqual(planBatches(apiUrl, ["a".repeat(room + 1)]).tooLong.length, 1)
    // Six bytes each: %C3%BC.
    assert.deepStrictEqual(planBatches(apiUrl, ["ü".repeat(Math.floor(room / 6))]).tooLong, [])
    assert.strictEqual(planBatches(apiUrl, ["ü".repeat(Math.floor(room / 6) + 1)]).tooLong.length, 1)
  })

  it("are none for no names", () => {
    assert.deepStrictEqual(planBatches(apiUrl, []), { batches: [], tooLong: [] })
  })

  it("do not depend on a trailing slash of the API's URL", () => {
    const names = Array.from({ length: 1000 }, (_, index) => `project${index}`)
    assert.deepStrictEqual(planBatches(`${apiUrl}/`, names), planBatches(apiUrl, names))
  })
})

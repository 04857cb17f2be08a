import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Pagination, paginate } from "../src/routes/pagination.ts"

const pageOf = <A>(entries: ReadonlyArray<A>, { offset, limit }: Pagination): ReadonlyArray<A> =>
  entries.slice(offset, offset + limit)

describe("a page", () => {
  it.each([
    // total, page, size, offset, pages, has_next, entries
    [0, 1, 100, 0, 0, false, []],
    [0, 3, 10, 20, 0, false, []],
    [1, 1, 100, 0, 1, false, [0]],
    [1, 1, 1, 0, 1, false, [0]],
    [3, 1, 2, 0, 2, true, [0, 1]],
    [3, 2, 2, 2, 2, false, [2]],
    [3, 3, 2, 4, 2, false, []],
    [4, 2, 2, 2, 2, false, [2, 3]],
    [4, 3, 2, 4, 2, false, []],
    [5, 1, 1, 0, 5, true, [0]],
    [5, 5, 1, 4, 5, false, [4]],
    [5, 1, 500, 0, 1, false, [0, 1, 2, 3, 4]],
    [5, 1_000_000, 500, 499_999_500, 1, false, []],
  ] as const)(
    "of a list of %d entries, number %d with a limit of %d, has the offset %d and %d pages in total",
    (total, page, size, offset, pages, has_next, entries) => {
      const pagination = paginate(total, page, size)
      expect(pagination).toEqual({ current: page, limit: size, offset, pages, total, has_next })
      expect(
        pageOf(
          Array.from({ length: total }, (_, at) => at),
          pagination,
        ),
      ).toEqual(entries)
    },
  )

  it("has its fields in the contract's order", () => {
    expect(JSON.stringify(paginate(3, 1, 2))).toBe(
      '{"current":1,"limit":2,"offset":0,"pages":2,"total":3,"has_next":true}',
    )
  })
})

describe("pages", () => {
  it("are a partition of the list", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 60 }), fc.integer({ min: 1, max: 70 }), (list, size) => {
        const { pages } = paginate(list.length, 1, size)
        const all = Array.from({ length: pages }, (_, at) => paginate(list.length, at + 1, size))
        expect(all.flatMap((page) => pageOf(list, page))).toEqual(list)
        for (const page of all) {
          expect(pageOf(list, page).length).toBeGreaterThan(0)
          expect(page.has_next).toBe(page.current < pages)
        }
        const past = paginate(list.length, pages + 1, size)
        expect([pageOf(list, past), past.has_next]).toEqual([[], false])
      }),
      { numRuns: 500 },
    )
  })
})

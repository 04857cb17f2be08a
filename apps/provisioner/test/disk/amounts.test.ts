import { Effect } from "effect"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { bytesOfKibibytes, kibibytes, type ListedQuota, quotasOf, roundedTo } from "../../src/disk/amounts.ts"

const space = (quota: number, enforcementType = "hard"): ListedQuota => ({
  type: "space",
  quota,
  unit: "tera",
  enforcementType,
})
const bytes = (quota: number) => Effect.runSync(quotasOf([space(quota)]))?.spaceHard
const refusal = (...quotas: ReadonlyArray<ListedQuota>) => Effect.runSync(Effect.flip(quotasOf(quotas)))._tag

describe("amounts", () => {
  test("of 1 TB are 10^12 bytes, and 976,562,500 KiB", () => {
    expect(bytes(1)).toBe(1_000_000_000_000n)
    expect(kibibytes(bytes(1) ?? 0n)).toBe(976_562_500n)
  })

  test("in whole terabytes are exact up to 100 EB, and in thousandths up to 1 PB", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9_000_000 }), (tera) => {
        expect(bytes(tera)).toBe(BigInt(tera) * 10n ** 12n)
      }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), (milli) => {
        const error = (bytes(milli / 1000) ?? 0n) - BigInt(milli) * 10n ** 9n
        // A thousandth is not a binary fraction.
        expect(error < 0n ? -error : error).toBeLessThan(200n)
      }),
    )
  })

  test("are never converted to more than was ordered, and never to 0", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
        fc.bigInt({ min: 1n, max: 2n ** 40n }),
        (amount, granule) => {
          expect(kibibytes(amount)).toBeGreaterThan(0n)
          expect(roundedTo(granule, amount)).toBeGreaterThan(0n)
          expect(roundedTo(granule, amount) % granule).toBe(0n)
          if (amount >= 1024n) expect(bytesOfKibibytes(kibibytes(amount))).toBeLessThanOrEqual(amount)
          if (amount >= granule) expect(roundedTo(granule, amount)).toBeLessThanOrEqual(amount)
        },
      ),
    )
  })

  test("that are 0, negative, infinite or tiny are refused, because a file system takes 0 as unlimited", () => {
    for (const quota of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-13, 1e300])
      expect([quota, refusal(space(quota))]).toEqual([quota, "Refused"])
  })

  test("with an unknown type, unit or enforcement, with a kind twice, or with soft above hard are refused", () => {
    expect(refusal({ ...space(1), unit: "gibi" })).toBe("Refused")
    expect(refusal({ ...space(1), type: "objects" })).toBe("Refused")
    expect(refusal(space(1, "advisory"))).toBe("Refused")
    expect(refusal(space(1), space(1))).toBe("Refused")
    expect(refusal(space(2, "soft"), space(1, "hard"))).toBe("Refused")
  })

  test("of null stay null, which leaves the current quotas unchanged", () => {
    expect(Effect.runSync(quotasOf(null))).toBe(null)
  })
})

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

  test("are exact to the digit that the list has, whether in terabytes, thousandths or bytes", () => {
    for (const decimals of [0, 3, 12])
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 9_000_000 }), (count) => {
          expect(bytes(count / 10 ** decimals)).toBe(BigInt(count) * 10n ** BigInt(12 - decimals))
        }),
      )
  })

  test("are rounded down to whole bytes and inodes", () => {
    expect(bytes(0.9999999999999)).toBe(999_999_999_999n)
    expect(bytes(1.0000000000019)).toBe(1_000_000_000_001n)
    expect(bytes(1234567.1234567)).toBe(1_234_567_123_456_700_000n)
    const inodes = { type: "inodes", quota: 1.9, unit: "none", enforcementType: "soft" }
    expect(Effect.runSync(quotasOf([inodes]))?.inodesSoft).toBe(1n)
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

  test("that are refused are quoted with the reason", () => {
    const reason = (quota: number) => Effect.runSync(Effect.flip(quotasOf([space(quota)]))).detail
    expect(reason(0)).toBe("spaceHard is 0: not above 0, which file systems take as unlimited")
    expect(reason(-0.5)).toBe("spaceHard is -500000000000: not above 0, which file systems take as unlimited")
    expect(reason(1e22)).toMatch(/^spaceHard is 1(0{34}): more than any file system holds$/)
    expect(reason(Number.POSITIVE_INFINITY)).toBe("spaceHard is Infinity: not a finite number")
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

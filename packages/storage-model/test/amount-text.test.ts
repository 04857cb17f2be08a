import { expect, test } from "vitest"
import { inodesText, spaceText } from "../src/index.ts"

test("space is shown in powers of 1000 from its own unit on, rounded down", () => {
  const bytes = [0n, 999n, 1000n, 999_999n, 5n * 10n ** 12n, 10n ** 16n + 10n ** 14n * 9n, 10n ** 21n]
  expect(bytes.map((one) => spaceText(one, "B"))).toEqual([
    "0 B",
    "999 B",
    "1 kB",
    "999.99 kB",
    "5 TB",
    "10.9 PB",
    "1,000 EB",
  ])
  expect([0, 0.5, 999.999, 1500].map((one) => spaceText(one, "TB"))).toEqual(["0 TB", "0.5 TB", "999.99 TB", "1.5 PB"])
})

test("inodes are shown as a compact count, rounded down", () => {
  expect([999, 66_500_000, 6_659_999n].map(inodesText)).toEqual(["999", "66.5M", "6.65M"])
})

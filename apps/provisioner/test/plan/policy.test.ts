import { expect, test } from "vitest"
import { policyOf } from "../../src/plan/policy.ts"
import { anEntry, quotas, waiting } from "../an-entry.ts"

const create = anEntry({ status: "pending", ...waiting })
const larger = anEntry({ status: "active", ...waiting, newQuotas: [...quotas(9)] })
const smaller = anEntry({ status: "active", ...waiting, newQuotas: [...quotas(1)] })
const terminate = anEntry({ status: "removing", ...waiting })
const terabyte = 10n ** 12n
const none = { minGid: undefined, maxGid: undefined }

const verdictOf = (
  settings: Partial<Parameters<typeof policyOf>[0]>,
  entry: typeof create,
  free: bigint | undefined = undefined,
) => policyOf({ ...none, freeSpace: "ignore", ...settings })(entry, { free }).verdict

test("without a policy, every order is approved", () => {
  for (const entry of [create, larger, smaller, terminate]) expect(verdictOf({}, entry)).toBe("approve")
})

test("a new resource is rejected if and only if its GID is outside the range; other orders never are", () => {
  // Its GID is 31001.
  expect(verdictOf({ minGid: 31_001, maxGid: 31_001 }, create)).toBe("approve")
  expect(verdictOf({ minGid: 31_002 }, create)).toBe("reject")
  expect(verdictOf({ maxGid: 31_000 }, create)).toBe("reject")
  for (const entry of [larger, terminate]) expect(verdictOf({ maxGid: 31_000 }, entry)).toBe("approve")
})

test("an order for more space than is free waits or is rejected, and only the added space counts", () => {
  for (const freeSpace of ["wait", "reject"] as const) {
    expect(verdictOf({ freeSpace }, create, 5n * terabyte)).toBe("approve")
    expect(verdictOf({ freeSpace }, create, 5n * terabyte - 1n)).toBe(freeSpace)
    expect(verdictOf({ freeSpace }, larger, 4n * terabyte)).toBe("approve")
    expect(verdictOf({ freeSpace }, larger, 4n * terabyte - 1n)).toBe(freeSpace)
    for (const entry of [smaller, terminate]) expect(verdictOf({ freeSpace }, entry, 0n)).toBe("approve")
  }
})

test("an amount that no file system has is compared too, and does not end the process", () => {
  const endless = anEntry({ status: "pending", ...waiting, quotas: [...quotas(Number.MAX_VALUE)] })
  for (const freeSpace of ["wait", "reject"] as const) expect(verdictOf({ freeSpace }, endless, 1n)).toBe(freeSpace)
})

test("an order for more space waits while the free space is unknown, and is not rejected", () => {
  expect(verdictOf({ freeSpace: "reject" }, larger)).toBe("wait")
  expect(verdictOf({ freeSpace: "reject" }, smaller)).toBe("approve")
})

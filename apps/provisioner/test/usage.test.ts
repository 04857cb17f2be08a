import { Effect } from "effect"
import { expect, test } from "vitest"
import { isExpired } from "../src/cli/status.ts"
import type { Usage } from "../src/drivers/driver.ts"
import type { ItemStatus } from "../src/loop/conditions.ts"
import { itemUsage, openOnDemandQuotas } from "../src/loop/usage.ts"
import { itemId } from "./an-entry.ts"

const usage = (more: Partial<Usage> = {}) =>
  itemUsage({
    bytes: 95n * 10n ** 12n,
    inodes: 500n,
    quotas: { spaceSoft: 90n * 10n ** 12n, spaceHard: 100n * 10n ** 12n, inodesHard: 1000n },
    ...more,
  })

test("usage is a percentage of the hard limit, and the grace period runs above the soft limit", () => {
  expect(usage()).toMatchObject({
    space: { percent: 95, isInGrace: true },
    files: { used: 500n, percent: 50, isInGrace: false },
  })
  expect(usage({ inodes: null }).files).toBe(null)
  expect(usage({ quotas: { spaceSoft: 190n * 10n ** 12n } }).space.percent).toBe(50)
  expect(usage({ quotas: {} }).space).not.toHaveProperty("percent")
})

const status = (more: Partial<ItemStatus>): ItemStatus => {
  const condition = { status: "True", reason: "AsListed", since: "2026-11-26T12:00:00.000Z" } as const
  return {
    itemId: itemId(1),
    path: "/capstor/store/cscs/ethz/climphys",
    system: "capstor",
    listedStatus: "active",
    targetType: "project",
    gid: 31_001,
    digest: "",
    conditions: { DirectoryReady: condition, QuotaApplied: condition, Reported: condition },
    ...more,
  }
}

test("Open OnDemand's file has a row for each member of a project's group, in KiB, and 0 for no limit", async () => {
  const asked: Array<number> = []
  const rows = await Effect.runPromise(
    openOnDemandQuotas(
      [
        { item: status({}), usage: usage() },
        { item: status({ path: "/capstor/archive/a" }), usage: usage({ inodes: null, quotas: {} }) },
        { item: status({ path: "/capstor/users/b", targetType: "user" }), usage: usage() },
        { item: status({ path: "/capstor/store/c", gid: 31_002 }), usage: usage() },
      ],
      (gid) => {
        asked.push(gid)
        return Effect.succeed(gid === 31_001 ? ["ada", "bob"] : [])
      },
    ),
  )
  expect(asked).toEqual([31_001, 31_002])
  const store = {
    type: "user",
    path: "/capstor/store/cscs/ethz/climphys",
    block_limit: 97_656_250_000,
    total_block_usage: 92_773_437_500,
    file_limit: 1000,
    total_file_usage: 500,
  }
  const archive = { ...store, path: "/capstor/archive/a", block_limit: 0, file_limit: 0, total_file_usage: 0 }
  expect(rows).toEqual([
    { ...store, user: "ada" },
    { ...store, user: "bob" },
    { ...archive, user: "ada" },
    { ...archive, user: "bob" },
  ])
})

test("a directory in the trash expires after its retention, not before", () => {
  const now = Date.parse("2026-11-26T12:00:00Z")
  const expired = ["2026-08-27", "2026-08-28", "2026-08-29"].map((since) => isExpired({ since }, 90, now))
  expect(expired).toEqual([true, false, false])
})

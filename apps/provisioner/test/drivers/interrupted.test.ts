/** Steps that are interrupted at any point: the same step completes what they left, and nothing is lost or duplicated. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { startVast } from "@cscs/sandbox"
import { Effect, Fiber, Redacted } from "effect"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import type { Driver, DriverError } from "../../src/drivers/driver.ts"
import { openDriver } from "../../src/drivers/open-driver.ts"
import { group } from "./contract.ts"

/** How many turns of the event loop a step runs before it is interrupted: a whole one takes some 1,000 to 6,000, most of them idle. */
const turns = fc.integer({ min: 0, max: 6000 })

test.each(["directory", "vast"] as const)(
  "%s: a step that is interrupted anywhere completes when a new driver repeats it, and no quota is lost",
  async (type) => {
    await fc.assert(
      fc.asyncProperty(fc.array(turns, { minLength: 12, maxLength: 12 }), async (delays) => {
        const folder = realpathSync(mkdtempSync(`${tmpdir()}/driver-`))
        const root = `${folder}/root`
        mkdirSync(root, { mode: 0o755 })
        const vast = type === "vast" ? await startVast() : undefined
        const common = { root, registry: `${folder}/registry` }
        const open = openDriver(
          vast === undefined
            ? { ...common, type: "directory" }
            : { ...common, type: "vast", apiUrl: vast.url, login: { token: Redacted.make(vast.token) } },
        )
        const whole = <A>(work: (driver: Driver) => Effect.Effect<A, DriverError>) =>
          Effect.runPromise(Effect.scoped(Effect.flatMap(open, work)))
        const next = delays[Symbol.iterator]()
        /** Twice in part, then as a whole. */
        const step = async <A>(work: (driver: Driver) => Effect.Effect<A, DriverError>) => {
          for (const _ of [1, 2]) {
            const fiber = Effect.runFork(Effect.scoped(Effect.flatMap(open, work)))
            for (let turn = next.next().value ?? 0; turn > 0; turn--)
              await new Promise((resolve) => setImmediate(resolve))
            await Effect.runPromise(Fiber.interrupt(fiber))
          }
          return whole(work)
        }
        const item = { itemId: "item", path: `${root}/a/b` }
        const listed = { ...item, gid: group, mode: 0o2770, quotas: { spaceHard: 10n ** 12n } }
        const isAsListed = (at: typeof listed) =>
          whole((driver) => Effect.map(driver.readBack(at), (found) => found && driver.differences(at, found)))

        await step((driver) => driver.ensureDirectory(listed))
        expect(await isAsListed(listed)).toEqual([])
        writeFileSync(`${item.path}/data`, "data")
        const moved = { ...listed, path: `${root}/c/d` }
        await step((driver) => driver.move(moved, item.path))
        await step((driver) => driver.trash(moved, "order"))
        expect(readdirSync(`${root}/.cscs-trash`)).toHaveLength(1)
        await step((driver) => driver.restore(listed))
        await step((driver) => driver.ensureDirectory({ ...listed, quotas: null }))
        expect(await isAsListed(listed)).toEqual([])
        await step((driver) => driver.ensureQuota(listed, { spaceHard: 2n * 10n ** 12n }))
        expect(await isAsListed({ ...listed, quotas: { spaceHard: 2n * 10n ** 12n } })).toEqual([])
        expect(readFileSync(`${item.path}/data`, "utf8")).toBe("data")
        expect([
          readdirSync(root),
          readdirSync(`${root}/a`),
          readdirSync(`${root}/c`),
          readdirSync(`${root}/.cscs-trash`),
        ]).toEqual([[".cscs-trash", "a", "c"], ["b"], [], []])
        await vast?.close()
        rmSync(folder, { recursive: true })
      }),
      { numRuns: 8 },
    )
  },
)

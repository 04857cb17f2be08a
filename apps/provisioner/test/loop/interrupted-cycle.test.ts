import { readFileSync } from "node:fs"
import { join } from "node:path"
import { elapsedMillis } from "@cscs/http-transport"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { expect, test } from "vitest"
import { anEntry, executing } from "../an-entry.ts"
import { aList, aSite } from "./a-site.ts"

const created = anEntry({ status: "pending", ...executing })

test("a cycle that a signal ends in the middle of an act is no failure of the order, however often", async () => {
  const site = aSite()
  for (let times = 0; times < 5; times++)
    await Effect.runPromise(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const begun = yield* Deferred.make<void>()
        const cycle = yield* site
          .start({
            driver: (driver) => ({
              ...driver,
              ensureDirectory: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never),
            }),
          })
          .pipe(Scope.provide(scope))
        const fiber = yield* Effect.forkChild(cycle(aList([created], yield* elapsedMillis)))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
        yield* Scope.close(scope, Exit.void)
      }),
    )
  expect(readFileSync(join(site.statePath, "journal.jsonl"), "utf8")).not.toContain("failures")
  await site.session()([[created]])
  expect(site.reports.map(({ act }) => act)).toEqual(["backend-id", "done"])
})

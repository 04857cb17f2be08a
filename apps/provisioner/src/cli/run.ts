/** `storage-provisioner run`. */
import { elapsedOf } from "@cscs/http-transport"
import type { EntryList } from "@cscs/storage-client"
import { Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { dryRunFlag, scopeFlags } from "./flags.ts"
import { monitoring } from "./monitoring.ts"
import { readSession, writeSession } from "./session.ts"
import { planText } from "./show-plan.ts"

/** Milliseconds until a list can be newer than a report: a list's age is in whole seconds. */
const afterReport = 1050
/** In seconds. A list this old is not renewed soon, for example because the proxy's loss guard keeps its entries. */
const oldAge = 120
/** A poll's interval varies by this fraction, so that provisioners do not poll in step. */
const jitter = 0.1

export const run = Command.make(
  "run",
  {
    ...scopeFlags,
    dryRun: dryRunFlag,
    host: Flag.String("host").pipe(
      Flag.withDescription("The address at which /metrics and /health are served; default: 127.0.0.1"),
      Flag.withDefault("127.0.0.1"),
    ),
    port: Flag.Int("port").pipe(
      Flag.filter(
        (port) => port >= 0 && port <= 65_535,
        (port) => `Expected a port from 0 to 65535, got ${port}`,
      ),
      Flag.withDescription("The port of /metrics and /health, which are not served without it; 0 chooses a free one"),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ dryRun, host, port, ...flags }) {
    if (dryRun) {
      const { proxy, planNow, settings } = yield* readSession(flags)
      return yield* proxy
        .watch({ every: settings.pollEvery, jitter })
        .pipe(
          Stream.runForEach(({ list }) =>
            Effect.map(planNow(list), (planned) => void process.stdout.write(planText(planned))),
          ),
        )
    }
    const metrics = monitoring()
    const { settings, scope, proxy, cycle, recordConditions, log } = yield* writeSession(flags, metrics.onAct)
    if (Option.isSome(port)) {
      const url = yield* metrics.serve(host, port.value, 3 * settings.pollEvery)
      yield* log("info", { event: "listening", url })
    }
    yield* log("info", {
      event: "started",
      systems: scope.system ?? [...settings.systems.keys()].join(","),
      only: scope.only,
    })
    yield* Effect.addFinalizer(() => log("info", { event: "stopped" }))
    const clock = yield* Effect.clockWith(Effect.succeed)
    let last: EntryList | undefined
    /** Cycles in a row that wait for a list from after a report. */
    let waits = 0
    /** Reads of the list in a row that failed. */
    let failures = 0
    let nextPoll = 0
    for (;;) {
      const isPoll = elapsedOf(clock) >= nextPoll
      const pollEvery = settings.pollEvery * (1 - jitter + 2 * jitter * Math.random())
      if (isPoll) nextPoll = elapsedOf(clock) + pollEvery
      // With a refresh: the proxy's own list may be older than an order by its `cache.fresh_for`.
      const list = yield* proxy
        .refresh(last)
        .pipe(
          Effect.catch((error) =>
            Effect.as(log("warning", { event: "list-failed", reason: error._tag, detail: error.message }), undefined),
          ),
        )
      if (list === undefined) {
        metrics.listFailed()
        waits += 1
        failures += 1
        yield* Effect.sleep(Math.min(afterReport * 2 ** Math.min(waits, 10), pollEvery))
        continue
      }
      if (failures > 0) yield* log("info", { event: "list-read", failures })
      failures = 0
      last = list
      const outcome = yield* cycle(list, isPoll)
      metrics.cycled(outcome, yield* recordConditions(list, outcome))
      for (const { sign, path, itemId, note } of outcome.plan.items) {
        if (sign === "!")
          yield* metrics.oncePerDay(
            // Without numbers: a reason may contain the free space, which always changes.
            `${itemId} ${note?.replaceAll(/\d+/g, "")}`,
            log("warning", { event: "needs-person", item: itemId, path, reason: note }),
          )
      }
      const { waiting: entries } = outcome
      if (entries > 0 && list.age >= oldAge)
        yield* metrics.oncePerDay(
          "old-list",
          log("warning", {
            event: "old-list",
            entries,
            age: list.age,
            reason: "the proxy has no newer list: its readiness check reports why",
          }),
        )
      waits = outcome.awaitingList > 0 ? (outcome.results.length > 0 ? 1 : waits + 1) : 0
      const now = elapsedOf(clock)
      const untilPoll = Math.max(0, nextPoll - now)
      const untilRetry = outcome.retryAt === undefined ? untilPoll : Math.max(0, outcome.retryAt - now)
      // Doubled each time while the proxy has only lists from before the report.
      const untilFresh = waits > 0 ? afterReport * 2 ** Math.min(waits - 1, 10) : untilPoll
      yield* Effect.sleep(Math.min(untilPoll, untilRetry, untilFresh))
    }
  }, Effect.scoped),
).pipe(Command.withDescription("Poll the list and do what it asks for, until a signal ends it"))

import { type Sandbox, startSandbox, type World } from "@cscs/sandbox"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { type Document, startProxy } from "../a-proxy.ts"
import { aWorld } from "../a-world.ts"
import {
  anObservedProxy,
  breakerOf,
  expectHonest,
  noResponseOf,
  type ObservedProxy,
  type ObserverOptions,
  type Where,
} from "./a-patient-observer.ts"
import type { FaultRow, Handling } from "./the-faults.ts"

/** A request to an upstream, and the patience with it. */
export interface Question {
  readonly rows: ReadonlyArray<FaultRow>
  readonly where: Where
  /** The key of the upstream's state in readiness. */
  readonly upstream: "waldur" | "hpc_user_api"
  readonly breaker: "waldur" | "hpc-user-api" | "hpc-user-api-token"
  /**
   * By the handling of a fault: seconds until a call has failed, seconds that a single fault costs, requests until a
   * failure.
   */
  readonly patience: Readonly<Record<Handling, readonly [failed: number, stumble: number, tries: number]>>
  /** False if the list does not need the response. Default true. */
  readonly isNeeded?: boolean
  /** Faults in spite of which a proxy with a list goes on with what it knows. */
  readonly keptWarm?: ReadonlyArray<string>
  /** False if a proxy without a list does not send it. Default true. */
  readonly isAskedCold?: boolean
  /** Faults that refuse a request once, and grant it when it is sent in another way. */
  readonly renewed?: ReadonlyArray<string>
  /** Whether it is sent before it is needed, so that a refusal may be over by then. */
  readonly isAskedAhead?: boolean
  /** Faults that open the circuit breaker though they do not elsewhere; `false` if other calls keep it closed. */
  readonly opensBy?: ReadonlyArray<string> | false
  /** An unrelated circuit breaker. */
  readonly otherBreaker?: string
  /** Matches a log line while the fault lasts. */
  readonly reported?: RegExp
  /** Changes the world so that the request is necessary. */
  readonly world?: (world: World) => void
  /** Changes the world so that a warm proxy sends the request again; returns how to undo it. */
  readonly happens?: (sandbox: Sandbox) => () => void
  readonly environment?: Readonly<Record<string, string>>
  readonly document?: (sandbox: Sandbox) => Document
}

/**
 * Faults that leave the circuit breaker closed: an upstream that refuses us is healthy, and so is one whose responses only
 * we do not understand.
 */
const leaveItClosed = [
  "401",
  "401 that echoes our request",
  "403",
  "404",
  "a redirect",
  "an empty body",
  "JSON of another shape",
  "null",
]

/** As in production, except that each refresh is a full one; and less patient, for fewer steps of the clock. */
const almostProduction = {
  CACHE_KEEP_WARM_FOR: "15m",
  CACHE_EMPTY_GUARD: "1h",
  CACHE_FULL_REFRESH_EVERY: "0",
  WALDUR_TIMEOUT: "20s",
  HPC_USER_API_TIMEOUT: "20s",
}

/** Four tests of each fault: a single and a permanent one, for a proxy without a list and for one with a list. */
export const fourCases = (title: string, question: Question): void => {
  const {
    rows,
    where,
    upstream,
    breaker,
    patience,
    isNeeded = true,
    isAskedCold = true,
    opensBy = [],
    keptWarm = [],
  } = question
  const { renewed = [], isAskedAhead = false, otherBreaker, reported = /./, happens = () => () => {} } = question
  const failed502 = noResponseOf(upstream === "waldur" ? "Waldur" : "The HPC User API")
  let sandbox: Sandbox
  let [before, after] = ["", ""]

  const options = (more: ObserverOptions = {}): ObserverOptions => ({
    environment: { ...almostProduction, ...question.environment },
    ...(question.document === undefined ? {} : { document: question.document }),
    ...more,
  })
  const undisturbed = async () => {
    const proxy = await startProxy({ ...options(), sandbox })
    const { status, text } = await proxy.list("page_size=500")
    expect(status).toBe(200)
    await proxy.close()
    return text
  }
  /** A short text for an assertion: a list is too long for a message. */
  const named = (text: string) =>
    text === before ? "the list" : text === after ? "the changed list" : text === failed502 ? "502" : text.slice(0, 300)
  const change = () => {
    const back = happens(sandbox)
    onTestFinished(back)
  }

  beforeAll(async () => {
    const world = aWorld(12)
    question.world?.(world)
    sandbox = await startSandbox({ world })
    before = await undisturbed()
    const back = happens(sandbox)
    after = await undisturbed()
    back()
  })
  afterAll(() => sandbox.close())

  /** Requests the list until it is that of an undisturbed proxy. */
  const expectHealed = async (proxy: ObservedProxy, list: string, row: FaultRow) => {
    // A failed refresh is retried after five seconds, and its calls may be repeated. Without what the list does not need, or
    // the GID of a new project, a refresh succeeds: the next one, after ten seconds, requests it again.
    const soon = isNeeded && upstream === "waldur" ? 8 : 11
    // A hanging call hangs until its time is up.
    await proxy.within(row.handling === "awaited" ? patience.awaited[1] * 1.5 + soon : soon, async () => {
      const { status, text } = await proxy.list()
      if (text !== list) expect([status, named(text)]).toEqual(status === 200 ? [200, "the list"] : [502, "502"])
      if (text !== list || (await proxy.ready()).json.upstreams[upstream].status !== "ok") return false
      return (await breakerOf(proxy, breaker)) === 0
    })
    expectHonest(proxy)
  }
  const failures = ({ logs }: ObservedProxy) => logs.filter((line) => line.includes('"event":"refresh-failed"'))

  describe.each(rows)(`${title}: $name`, (row) => {
    // While a call hangs, the clock moves on although others are in flight: on a busy machine their seconds are counted too.
    // The allowance is less than another attempt would take.
    const slack = row.handling === "awaited" ? 1.5 : 1
    const [failed, stumble] = patience[row.handling].map((seconds) => seconds * slack) as [number, number]
    const [, , tries] = patience[row.handling]
    const isUnnoticed = row.handling !== "reported" || !isNeeded || renewed.includes(row.name)
    const opens = opensBy !== false && (opensBy.includes(row.name) || !leaveItClosed.includes(row.name))

    const testCold = (name: string, run: () => Promise<void>) => {
      if (isAskedCold) test(name, run)
    }

    testCold(
      `a single fault on a cold start: ${isUnnoticed ? "callers do not notice" : "502, and seconds later the list"}`,
      async () => {
        const times = row.handling === "repeated" ? 2 : 1
        const proxy = await anObservedProxy(sandbox, options({ cold: { row, where, times } }))
        const [{ status, text }, seconds] = await proxy.timed(proxy.list())
        const isGood = isUnnoticed || (isAskedAhead && status === 200)
        expect([status, named(text)]).toEqual(isGood ? [200, "the list"] : [502, "502"])
        expect(seconds).toBeLessThanOrEqual(isGood ? stumble : failed)
        expect(failures(proxy).length).toBe(isGood ? 0 : 1)
        await expectHealed(proxy, before, row)
      },
    )

    testCold(
      `a permanent fault on a cold start: ${isNeeded ? "502" : "the list does not need it"}, until it is over`,
      async () => {
        const proxy = await anObservedProxy(sandbox, options({ cold: { row, where } }))
        const [{ status, text }, seconds] = await proxy.timed(proxy.list())
        expect([status, named(text)]).toEqual(isNeeded ? [502, "502"] : [200, "the list"])
        expect(seconds).toBeLessThanOrEqual(failed)
        expect(proxy.fault().struck).toBeGreaterThan(0)
        expect(proxy.fault().struck).toBeLessThanOrEqual(tries)
        if (isNeeded) {
          // Three calls that hang to their end take minutes, and show no more about the breaker than others do.
          if (row.handling !== "awaited") {
            await proxy.within(60, () => failures(proxy).length > 2)
            expect((await breakerOf(proxy, breaker)) > 0).toBe(opens)
          }
          const ready = await proxy.ready()
          expect([ready.status, ready.json.upstreams[upstream].status]).toEqual([503, "failing"])
        }
        if (otherBreaker !== undefined) expect(await breakerOf(proxy, otherBreaker)).toBe(0)
        expect(proxy.logs.some((line) => reported.test(line))).toBe(true)
        proxy.fault().clear()
        await expectHealed(proxy, before, row)
      },
    )

    test("a permanent fault of a warm proxy: the last good list is served at once, until the fault is over", async () => {
      const proxy = await anObservedProxy(sandbox, options())
      expect(named((await proxy.timed(proxy.list()))[0].text)).toBe("the list")
      change()
      proxy.strike({ row, where })
      await proxy.spend(row.handling === "awaited" ? failed + 20 : 30, async () => {
        const [{ status, text }, seconds] = await proxy.timed(proxy.list())
        expect([status, named(text), seconds]).toEqual([200, "the list", 0])
      })
      expect(proxy.fault().struck).toBeGreaterThan(0)
      // No more than eight refreshes fit into these seconds.
      expect(proxy.fault().struck).toBeLessThanOrEqual(tries * 8)
      const ready = await proxy.ready()
      expect(ready.status).toBe(200)
      const isFailing = isNeeded && !keptWarm.includes(row.name)
      if (isFailing) expect(ready.json.upstreams[upstream].status).toBe("failing")
      proxy.fault().clear()
      await expectHealed(proxy, after, row)
    })

    test("a single fault of a warm proxy: the list is always available", async () => {
      const proxy = await anObservedProxy(sandbox, options())
      await proxy.timed(proxy.list())
      change()
      proxy.strike({ row, where, times: 1 })
      await proxy.spend(row.handling === "awaited" ? stumble + 15 : 15, async () => {
        const [{ status, text }, seconds] = await proxy.timed(proxy.list())
        expect([status, seconds]).toEqual([200, 0])
        if (text !== after) expect(named(text)).toBe("the list")
      })
      expect(proxy.fault().struck).toBe(1)
      if (isUnnoticed || keptWarm.includes(row.name)) expect(failures(proxy)).toEqual([])
      await expectHealed(proxy, after, row)
    })
  })
}

import { join } from "node:path"
import { run, sandboxEnvironment, startProxy, until } from "@cscs/harness"
import { checkList, historyOf, oracleOf } from "@cscs/oracle"
import { buildWorld, type PlacedOrder, placeOrder, type Sandbox, startSandbox, type WaldurRecord } from "@cscs/sandbox"
import { expect, onTestFinished, test } from "vitest"
import { chanceOf } from "../src/chance.ts"
import { clientOf, listPath } from "../src/client.ts"
import { faultInjection, upstreams } from "../src/fault-injection.ts"
import { logReader } from "../src/log-reader.ts"
import { growthInSecondHalf, memoryFault } from "../src/vital-signs.ts"

const openSandbox = async (world = buildWorld()): Promise<Sandbox> => {
  const sandbox = await startSandbox({ world, worldChangesByHand: false, logCalls: false })
  onTestFinished(() => sandbox.close())
  return sandbox
}

test("the soak's random numbers are the same for one seed and purpose, and differ for another", () => {
  const drawn = (seed: number, purpose: string) => {
    const chance = chanceOf(seed, purpose)
    return Array.from({ length: 20 }, () => chance.below(1000))
  }
  expect(drawn(1, "a")).toEqual(drawn(1, "a"))
  expect(drawn(1, "a")).not.toEqual(drawn(1, "b"))
  expect(drawn(1, "a")).not.toEqual(drawn(2, "a"))
  const weights = { never: 0, always: 1 }
  expect(chanceOf(1, "a").weighted(Object.entries(weights).map(([name, weight]) => [weight, name]))).toBe("always")
})

test("the soak rejects an invalid option and names it", async () => {
  const soak = (...args: ReadonlyArray<string>) =>
    run(process.execPath, [join(import.meta.dirname, "../src/main.ts"), ...args])
  await expect(soak("--seconds", "19")).rejects.toThrow(/--seconds: "19"/)
  await expect(soak("--seed", "x")).rejects.toThrow(/--seed: "x"/)
})

test("memoryFault reports steady growth and a high peak, but not fluctuation", () => {
  const samples = (rss: (at: number) => number) => Array.from({ length: 300 }, (_, at) => rss(at))
  expect(memoryFault(samples((at) => 100 + at / 2))).toMatch(/grew/)
  expect(memoryFault(samples((at) => 150 + 40 * Math.sin(at)))).toBeUndefined()
  expect(memoryFault(samples(() => 500))).toMatch(/rose to 500 MB/)
  expect(growthInSecondHalf(samples((at) => at).slice(0, 100))).toBeUndefined()
})

test("logReader finds faults by event, level and secrets, and guards by event", async () => {
  const sandbox = await openSandbox()
  const log = logReader(sandbox)
  const line = (event: string, more: object = {}, level = "INFO", message = "words") =>
    log.read(JSON.stringify({ message, level, event, ...more }))
  line("snapshot-taken")
  line("request", {}, "INFO", "Refresh failed")
  line("refresh-failed", {}, "ERROR")
  line("system-guarded", { offering: "vast" })
  expect(log.faulty).toEqual([])
  expect([...log.guardedSince.keys()]).toEqual(["vast"])
  line("system-released", { offering: "vast" })
  expect(log.guardedSince.size).toBe(0)
  line("refresh-crashed")
  line("request", {}, "FATAL")
  line("request", { path: sandbox.waldur.token })
  log.read("(node:1) MaxListenersExceededWarning")
  log.read("no JSON")
  expect(log.faulty.map(({ why }) => why)).toEqual([
    ...Array(2).fill("a fault of the proxy"),
    "a secret in the log",
    ...Array(2).fill("not a log line, or a line without an event"),
  ])
  expect(log.events.get("request")).toBe(3)
})

test("injected faults are recorded with their time, and cleared at the end", async () => {
  const sandbox = await openSandbox()
  const stop = new AbortController()
  const injection = faultInjection(sandbox, chanceOf(3, "test"))
  const begun = performance.now()
  const changing = injection.change(stop.signal)
  const wasFailing = () => injection.wasFailing({ from: begun, to: performance.now() }, upstreams)
  expect(wasFailing()).toBe(false)
  await until("a fault", wasFailing)
  stop.abort()
  await changing
  const healed = performance.now()
  await new Promise((resolve) => setTimeout(resolve, 2))
  expect(injection.wasFailing({ from: healed + 1, to: healed + 2 }, upstreams)).toBe(false)
  const headers = { Authorization: `Token ${sandbox.waldur.token}` }
  expect((await fetch(`${sandbox.waldur.url}marketplace-provider-resources/`, { headers })).status).toBe(200)
})

/** Variations of resources, and orders, that the generated world lacks. */
const variations: ReadonlyArray<WaldurRecord> = [
  {},
  { options: { soft_quota_space: 9, hard_quota_space: 7, soft_quota_inodes: 5e6, hard_quota_inodes: 4e6 } },
  { options: { soft_quota_space: 0, hard_quota_space: 0, permissions: "0700" } },
  { limits: {} },
]
const orders: ReadonlyArray<Omit<PlacedOrder, "uuid">> = [
  { type: "Update", state: "executing", limits: {}, attributes: {} },
  { type: "Update", state: "executing", attributes: { old_options: { hard_quota_space: 1 } } },
  { type: "Update", state: "pending-provider", limits: { storage: 50 }, attributes: { old_limits: { storage: 7 } } },
  { type: "Terminate", state: "executing" },
]

test("the oracle expects exactly the entries that the real proxy lists for a world without changes", async () => {
  const world = buildWorld({ resources: 400, seed: 7, edgeCases: false })
  const chance = chanceOf(7, "test")
  for (const [index, row] of world.resources.entries()) {
    Object.assign(row, structuredClone(variations[index % variations.length]))
    // Each order with each variation; then as many rows without an order.
    const order = orders[(index >> 2) % (2 * orders.length)]
    if (row.state !== "OK" || row.order_in_progress !== null || order === undefined) continue
    placeOrder(world, row, { uuid: chance.uuid(), ...order })
    // Also a state that does not fit the order: such a removal is held back.
    row.state = index % 3 === 0 || order.type === "Terminate" ? "Terminating" : "Updating"
    const { offering_slug: system, attributes, provider_slug: tenant, customer_slug: customer } = row
    const type = (attributes as WaldurRecord).storage_data_type
    if (index % 5 === 0) row.backend_id = `/${system}/${type}/${tenant}/${customer}/moved-${index}`
  }
  const sandbox = await openSandbox(world)
  const proxy = await startProxy({ environment: sandboxEnvironment(sandbox), isReady: true })
  onTestFinished(async () => void (await proxy.stop()))
  const reply = await clientOf(proxy.url).send({ path: listPath, headers: { Accept: "application/x-ndjson" } })
  const entries: ReadonlyArray<unknown> = JSON.parse(`[${reply.body.toString().trim().replaceAll("\n", ",")}]`)
  const about = { history: historyOf(world), api: sandbox.waldur.url, fullRefreshEvery: 0, retryGidAfter: 0 }
  const oracle = oracleOf({ ...about, wasFailing: () => false })
  const now = { from: performance.now(), to: performance.now() }
  const verdict = checkList(oracle, now, { entries, filter: {}, page: undefined })
  expect(verdict).toMatchObject({ wrong: undefined, entries: entries.length })
  expect(entries.length).toBeGreaterThan(400)
})

import { type Sandbox, startSandbox } from "@cscs/sandbox"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { discoveryPath, introspectionPath, jwksPath } from "../a-locked-proxy.ts"
import { type Got, started } from "../a-proxy.ts"
import { aWorld } from "../a-world.ts"
import {
  anObservedProxy,
  breakerOf,
  expectHonest,
  type ObservedProxy,
  type ObserverOptions,
} from "./a-patient-observer.ts"
import { type FaultRow, fewFaults, only, someFaults, tooLarge } from "./the-faults.ts"

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox({ world: aWorld(6), now: () => started })
})
afterAll(() => sandbox.close())

const locked = (mode: "jwt" | "introspection", more: ObserverOptions = {}): ObserverOptions => ({
  document: ({ issuer }) => ({
    auth: {
      mode,
      keycloak_url: issuer.baseUrl,
      keycloak_client_id: issuer.audience.clientId,
      keycloak_client_secret: issuer.audience.clientSecret,
    },
  }),
  environment: { CACHE_KEEP_WARM_FOR: "15m" },
  ...more,
})

const newToken = () => sandbox.issuer.issueToken({}, { expiresIn: 86_400 })
/** The response, for which the clock does not move. */
const bearing = (proxy: ObservedProxy, token: string) =>
  proxy.get("/api/storage-resources/", { headers: { Authorization: `Bearer ${token}` } })

const expectUnavailable = ({ status, headers, text }: Got) => {
  expect([status, headers.get("retry-after"), text]).toEqual([
    503,
    "5",
    JSON.stringify({
      detail: "Access tokens cannot be checked now, because their issuer does not respond",
      error: "AuthenticationUnavailable",
    }),
  ])
}

/** The proxy has its own list, so only the token is in question. */
const ready = (proxy: ObservedProxy) => proxy.within(5, async () => (await proxy.ready()).status === 200)

/** The log contains neither a token nor a part of one. */
const expectSilent = (proxy: ObservedProxy, token: string) => {
  expectHonest(proxy)
  for (const part of token.split(".")) expect(proxy.logs.filter((line) => line.includes(part))).toEqual([])
}

/** The response during an issuer fault: at once, or after the five seconds that a caller waits at most. */
const meeting = async (row: FaultRow, proxy: ObservedProxy, token: string): Promise<Got> => {
  if (row.handling !== "awaited") return bearing(proxy, token)
  const [got, seconds] = await proxy.timed(bearing(proxy, token))
  expect(seconds).toBeLessThanOrEqual(5.5)
  return got
}

/** Seconds until the list is open again. */
const recovery = async (row: FaultRow, proxy: ObservedProxy, token: string): Promise<number> => {
  // A hanging call hangs until its time is up.
  if (row.handling === "awaited") await proxy.spend(5)
  let seconds = 0
  while ((await bearing(proxy, token)).status !== 200) {
    seconds += 1
    await proxy.spend(1)
    expect(seconds).toBeLessThan(30)
  }
  return seconds
}

/** Faults that leave the circuit breaker closed. */
const leaveItClosed = ["401 that echoes our request", "403", "an oversized response"]

const faults = [...someFaults, tooLarge(2)]

const questions = [
  ["its keys", "jwt", jwksPath, faults],
  ["its metadata", "jwt", discoveryPath, fewFaults],
  ["a token", "introspection", introspectionPath, faults],
] as const

for (const [what, mode, path, rows] of questions) {
  describe.each(rows)(`an issuer fault in the response for ${what}: $name`, (row: FaultRow) => {
    const where = { upstream: "issuer", path } as const

    test("a single fault on a cold start: 503 at worst, and soon the list", async () => {
      const proxy = await anObservedProxy(sandbox, locked(mode, { cold: { row, where, times: 1 } }))
      await ready(proxy)
      const token = await newToken()
      expectUnavailable(await meeting(row, proxy, token))
      expect(await recovery(row, proxy, token)).toBeLessThanOrEqual(1)
      expectSilent(proxy, token)
    })

    test("a permanent fault on a cold start: 503, and few requests to the issuer", async () => {
      const proxy = await anObservedProxy(sandbox, locked(mode, { cold: { row, where } }))
      await ready(proxy)
      const token = await newToken()
      await proxy.spend(30, async () => {
        expectUnavailable(await meeting(row, proxy, token))
      })
      const opens = !leaveItClosed.includes(row.name)
      expect((await breakerOf(proxy, "issuer")) > 0).toBe(opens)
      // Three in a row, and then one every five seconds.
      if (opens) expect(proxy.fault().struck).toBeLessThanOrEqual(3 + 6 + 2)
      proxy.fault().clear()
      expect(await recovery(row, proxy, token)).toBeLessThanOrEqual(10)
      expect(await breakerOf(proxy, "issuer")).toBe(0)
      expectSilent(proxy, token)
    })

    test("a permanent fault of a warm proxy: what is cached opens the list", async () => {
      const proxy = await anObservedProxy(sandbox, locked(mode))
      await ready(proxy)
      const token = await newToken()
      expect((await bearing(proxy, token)).status).toBe(200)
      proxy.strike({ row, where })
      // An introspection result is good for a minute, keys are good until there are others.
      const ends = mode === "jwt" ? 600 : 58
      for (const seconds of [1, ends - 20, 18]) {
        await proxy.pass(`${seconds} seconds`)
        expect((await bearing(proxy, token)).status).toBe(200)
      }
      await proxy.spend(3)
      const later = await meeting(row, proxy, token)
      if (mode === "jwt") expect(later.status).toBe(200)
      else expectUnavailable(later)
      proxy.fault().clear()
      expect(await recovery(row, proxy, token)).toBeLessThanOrEqual(10)
      expectSilent(proxy, token)
    })
  })
}

describe("refused tokens", () => {
  test("are not failures of the issuer, however many", async () => {
    const proxy = await anObservedProxy(sandbox, locked("introspection"))
    await ready(proxy)
    for (const token of Array.from({ length: 10 }, (_, index) => `unknown-${index}`)) {
      expect((await bearing(proxy, token)).status).toBe(401)
    }
    expect(await breakerOf(proxy, "issuer")).toBe(0)
    expect((await bearing(proxy, await newToken())).status).toBe(200)
  })

  test("count as one failure if many at once wait for one failing fetch of the keys", async () => {
    const [row] = only("503")
    if (row === undefined) throw new Error("nothing is called 503")
    const where = { upstream: "issuer", path: jwksPath } as const
    const proxy = await anObservedProxy(sandbox, locked("jwt", { cold: { row, where, times: 1 } }))
    await ready(proxy)
    const tokens = await Promise.all(Array.from({ length: 10 }, newToken))
    const got = await Promise.all(tokens.map((token) => bearing(proxy, token)))
    expect(new Set(got.map(({ status }) => status))).toEqual(new Set([503]))
    expect(proxy.fault().struck).toBe(1)
    expect(await breakerOf(proxy, "issuer")).toBe(0)
  })
})

import { setTimeout as pause } from "node:timers/promises"
import { expect, test } from "vitest"
import {
  aGuardedProxy,
  anIntrospectingProxy,
  type GuardedProxy,
  type ProxyResponse,
  untilStatus,
} from "./a-guarded-proxy.ts"
import { aStage } from "./a-stage.ts"
import { clientToken } from "./tokens.ts"

const stage = aStage()

const expectUnavailable = ({ status, headers, text, json }: ProxyResponse) => {
  expect([status, json.error]).toEqual([503, "AuthenticationUnavailable"])
  expect(headers.get("retry-after")).toMatch(/^[1-9]\d*$/)
  expect(text).not.toContain(stage.keycloak.url)
}

const internalErrors = ({ logs }: GuardedProxy) => logs.filter((line) => line.includes('"event":"internal-error"'))

test("a proxy starts without Keycloak, returns 503, and recovers without a restart", async () => {
  const { keycloak, sandbox } = stage
  await keycloak.start()
  const old = await clientToken(keycloak)
  await keycloak.stop()
  const proxies = [await aGuardedProxy(sandbox, keycloak), await anIntrospectingProxy(sandbox, keycloak)]
  for (const proxy of proxies) {
    expectUnavailable(await proxy.list(old))
    expectUnavailable(await proxy.list(old))
  }

  await keycloak.start()
  const fresh = await clientToken(keycloak)
  for (const proxy of proxies) {
    await untilStatus(200, () => proxy.list(fresh))
    // Its signing key was lost in the restart.
    expect((await proxy.list(old)).status).toBe(401)
    expect(internalErrors(proxy)).toEqual([])
  }
})

test("callers see only 200, 401 and 503 while Keycloak is stopped and started, and all end with 200", async ({
  signal,
}) => {
  const { keycloak, sandbox } = stage
  await keycloak.start()
  const byKeys = await aGuardedProxy(sandbox, keycloak)
  const byAsking = await anIntrospectingProxy(sandbox, keycloak)
  const proxies = [byKeys, byAsking]
  const old = await Promise.all(Array.from({ length: 4 }, () => clientToken(keycloak)))
  const callers = old.flatMap((token) => proxies.map((proxy) => ({ proxy, token, statuses: [] as Array<number> })))

  let isOver = false
  /** Sends requests with its token until the test is over; gets a new token when this one is refused. */
  const call = async (caller: (typeof callers)[number]) => {
    while (!isOver && !signal.aborted) {
      const { status } = await caller.proxy.list(caller.token)
      if (status === 401) caller.token = await clientToken(keycloak).catch(() => caller.token)
      caller.statuses.push(status)
      await pause(20)
    }
  }
  /** Waits until each caller has received `count` more responses. */
  const untilEachHas = async (count: number) => {
    const goals = callers.map(({ statuses }) => statuses.length + count)
    while (callers.some(({ statuses }, index) => statuses.length < (goals[index] ?? 0))) {
      signal.throwIfAborted()
      await pause(10)
    }
  }
  /** The statuses that each proxy returns after the next `skipped` responses of each caller. */
  const statusesAfter = async (skipped: number) => {
    await untilEachHas(skipped)
    const from = callers.map(({ statuses }) => statuses.length)
    await untilEachHas(10)
    const given = (proxy: GuardedProxy) =>
      new Set(callers.flatMap((each, index) => (each.proxy === proxy ? each.statuses.slice(from[index]) : [])))
    return { byKeys: given(byKeys), byAsking: given(byAsking) }
  }

  const calls = Promise.all(callers.map(call))
  try {
    // The first may be in flight.
    expect(await statusesAfter(1)).toEqual({ byKeys: new Set([200]), byAsking: new Set([200]) })

    await keycloak.stop()
    // Cached introspection results are too old now, and the keys are due.
    for (const proxy of proxies) proxy.leap("11 minutes")
    // Cached keys need no issuer; introspection does.
    expect(await statusesAfter(1)).toEqual({ byKeys: new Set([200]), byAsking: new Set([503]) })

    await keycloak.start()
    const fresh = await clientToken(keycloak)
    for (const proxy of proxies) {
      await untilStatus(200, () => proxy.list(fresh))
      for (const token of old) await untilStatus(401, () => proxy.list(token))
    }
    // By the second response each caller has been refused and has a new token.
    expect(await statusesAfter(2)).toEqual({ byKeys: new Set([200]), byAsking: new Set([200]) })
  } finally {
    isOver = true
    await calls
  }
  for (const { statuses } of callers) for (const status of statuses) expect([200, 401, 503]).toContain(status)
  for (const proxy of proxies) expect(internalErrors(proxy)).toEqual([])
})

import { setTimeout as turn } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { aCollector } from "./a-collector.ts"
import { aSandbox, environmentOf, serving, until } from "./a-process.ts"
import { aCallerWhoDoesNotRead } from "./raw-http.ts"

describe("stopping", () => {
  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("ends at once at a second %s, with exit code %i", async (signal, code) => {
    const sandbox = await aSandbox()
    sandbox.faults.set("waldur", { hang: true })
    const { url, child, ended, stderr } = await serving([], { environment: environmentOf(sandbox) })
    const open = fetch(`${url}/api/storage-resources/`).then(
      () => "responded",
      () => "dropped",
    )
    await until(() => sandbox.calls.of("waldur").length > 0)
    child.kill(signal)
    await until(() => stderr().includes('"event":"stopping"'))
    child.kill(signal)
    expect(await ended).toBe(code)
    expect(await open).toBe("dropped")
  })

  test("does not wait for callers that do not read their response", async () => {
    const sandbox = await aSandbox()
    const { url, child, ended, stderr } = await serving([], { environment: environmentOf(sandbox) })
    await until(async () => (await fetch(`${url}/api/storage-resources/`)).status === 200)
    await Promise.all(Array.from({ length: 2 }, () => aCallerWhoDoesNotRead(url)))
    const lines = () => stderr().split("\n").length
    // When no more data is sent.
    for (let before = -1; before !== lines(); await turn(300)) before = lines()
    child.kill("SIGTERM")
    await until(() => stderr().includes('"event":"stopping"'))
    const began = performance.now()
    expect(await ended).toBe(0)
    // Callers that read get ten seconds.
    expect(performance.now() - began).toBeLessThan(8_000)
  })

  test("is bounded in time despite an endless request and a collector that never responds", async () => {
    const sandbox = await aSandbox()
    sandbox.faults.set("waldur", { hang: true })
    const collector = await aCollector({ hang: true })
    const { url, child, ended, stderr } = await serving([], {
      environment: { ...environmentOf(sandbox), OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    })
    const open = fetch(`${url}/api/storage-resources/`).catch(() => undefined)
    await until(() => sandbox.calls.of("waldur").length > 0)
    const began = performance.now()
    child.kill("SIGTERM")
    await until(() => stderr().includes('"event":"stopping"'))
    expect(await ended).toBe(0)
    await open
    // Ten seconds for requests, two for telemetry, and some for a busy machine.
    expect(performance.now() - began).toBeLessThan(45_000)
  })
})

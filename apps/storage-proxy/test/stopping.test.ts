import { describe, expect, test } from "vitest"
import { aCollector } from "./a-collector.ts"
import { aSandbox, environmentOf, serving, until } from "./a-process.ts"

describe("stopping", () => {
  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("a second %s ends it at once, with exit code %i", async (signal, code) => {
    const sandbox = await aSandbox()
    sandbox.faults.set("waldur", { hang: true })
    const { url, child, ended, stderr } = await serving([], { environment: environmentOf(sandbox) })
    const open = fetch(`${url}/api/storage-resources/`).then(
      () => "answered",
      () => "dropped",
    )
    await until(() => sandbox.calls.of("waldur").length > 0)
    child.kill(signal)
    await until(() => stderr().includes("Stopping"))
    child.kill(signal)
    expect(await ended).toBe(code)
    expect(await open).toBe("dropped")
  })

  test("a request that never ends, and a collector that never answers, hold it up for a bounded time", async () => {
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
    await until(() => stderr().includes("Stopping"))
    expect(await ended).toBe(0)
    await open
    // Ten seconds for requests, two for telemetry, and a busy machine's own.
    expect(performance.now() - began).toBeLessThan(45_000)
  })
})

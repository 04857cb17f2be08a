import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { entry } from "./example-list.ts"

const entries = 2000
const lines = Array.from(
  { length: entries },
  (_, at) => `${JSON.stringify(entry(`/vast/store/${at}`, "project", null))}\n`,
)
/** The response to any request but that for the list. */
let [status, body] = [0, ""]
const server = createServer(({ url }, response) => {
  if (url === "/api/storage-resources/") response.end(lines.join(""))
  else response.writeHead(status).end(body)
})
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  vi.stubGlobal("location", { href: `http://127.0.0.1:${port}/explorer/` })
})
afterAll(() => void server.close())

describe("the explorer's readiness report", () => {
  it.each([
    [503, '{"message":"no healthy upstream"}'],
    [503, "<html></html>"],
    [200, "null"],
    [200, '"OK"'],
  ])("is a failure if a gateway responds in the proxy's place, with %i %s", async (...response) => {
    ;[status, body] = response
    const { isFailure, readReadiness } = await import("../src/proxy.ts")
    const report = await readReadiness()
    expect(typeof report === "object" && report !== null && isFailure(report)).toBe(true)
  })
})

describe("a failure that the explorer shows", () => {
  it.each([
    [502, "<html>Bad Gateway</html>", /^The proxy cannot be reached: a server in front of it responded with 502\.$/],
    [403, '{"message":"forbidden"}', /^The proxy cannot be reached: .* 403\.$/],
    [502, '{"detail":"Waldur returns no usable response"}', /^An upstream of the proxy is failing\.$/],
    [401, '{"detail":"The token is expired"}', /^The token was refused\. The token is expired\.$/],
    [500, '{"detail":"Internal Server Error"}', /^The proxy responded with 500\. Internal Server Error\.$/],
  ])("distinguishes a gateway's response from the proxy's: %i %s", async (...response) => {
    const [, , what] = response
    ;[status, body] = response
    const { readFindings } = await import("../src/proxy.ts")
    expect(await readFindings(undefined)).toMatchObject({ what: expect.stringMatching(what) })
  })
})

describe("the explorer's list", () => {
  it("is read in slices that leave the page responsive, and shown in parts", async () => {
    const { readList } = await import("../src/proxy.ts")
    // Each entry takes a millisecond, on any machine.
    let now = 0
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now)
    let [isReading, read, before, maxBetween] = [true, 0, 0, 0]
    const parts: Array<number> = []
    const otherTask = () => {
      maxBetween = Math.max(maxBetween, read - before)
      before = read
      if (isReading) setImmediate(otherTask)
    }
    setImmediate(otherTask)
    const outcome = await readList(
      { token: undefined, state: "", etag: "", signal: new AbortController().signal },
      () => {
        read += 1
        now += 1
      },
      () => parts.push(read),
    )
    isReading = false
    clock.mockRestore()
    expect(outcome).toMatchObject({ isChanged: true })
    expect(read).toBe(entries)
    // A slice takes 8 ms, and at most two run while the other task waits for its turn.
    expect(maxBetween).toBeLessThanOrEqual(16)
    expect(parts.length).toBeGreaterThan(1)
    for (const [at, part] of parts.entries())
      expect(part).toBeGreaterThanOrEqual(at === 0 ? 500 : 2 * (parts[at - 1] ?? 0))
  })
})

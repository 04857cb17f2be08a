import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { entry } from "./example-list.ts"

const entries = 2000
const lines = Array.from(
  { length: entries },
  (_, at) => `${JSON.stringify(entry(`/vast/store/${at}`, "project", null))}\n`,
)
const server = createServer((_, response) => response.end(lines.join("")))
beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
afterAll(() => void server.close())

describe("the explorer's list", () => {
  it("is read in slices that leave the page responsive, and shown in parts", async () => {
    const { port } = server.address() as AddressInfo
    vi.stubGlobal("location", { href: `http://127.0.0.1:${port}/explorer/` })
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

import { Effect, Exit } from "effect"
import { describe, expect, test } from "vitest"
import { CannotListen, openAt } from "../src/serve.ts"
import { aSandbox, environmentOf, serving, until } from "./a-process.ts"

/** A kernel that refuses some addresses. */
const opening = (refused: Readonly<Record<string, string>>) => {
  const tried: Array<string> = []
  const open = (host: string) =>
    Effect.suspend(() => {
      tried.push(host)
      const code = refused[host]
      return code === undefined ? Effect.succeed(host) : Effect.fail(new CannotListen({ host, port: 8080, code }))
    })
  return { tried, open }
}

describe("listening at ::", () => {
  test("accepts IPv4 as well", async () => {
    const { url } = await serving(["--host", "::"], { environment: environmentOf(await aSandbox()) })
    const { port } = new URL(url)
    await until(async () => (await fetch(`http://127.0.0.1:${port}/healthz/live`)).status === 200)
  })

  test.each(["EAFNOSUPPORT", "EADDRNOTAVAIL"])("falls back to 0.0.0.0 if the kernel has no IPv6 (%s)", async (code) => {
    const { tried, open } = opening({ "::": code })
    expect(await Effect.runPromise(openAt("::", open))).toBe("0.0.0.0")
    expect(tried).toEqual(["::", "0.0.0.0"])
  })

  test("does not fall back if the port is taken, or if another address was requested", async () => {
    for (const [host, code] of [
      ["::", "EADDRINUSE"],
      ["2001:db8::1", "EADDRNOTAVAIL"],
    ] as const) {
      const { tried, open } = opening({ [host]: code })
      expect(Exit.isFailure(await Effect.runPromiseExit(openAt(host, open)))).toBe(true)
      expect(tried).toEqual([host])
    }
  })
})

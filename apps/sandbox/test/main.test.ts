import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url))

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] })
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "the sandbox's process prints one line of JSON and exits cleanly on %s",
  async (signal) => {
    const child = start("--resources", "400", "--latency-ms", "1")
    const lines: string[] = []
    const reader = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    reader.on("line", (line) => lines.push(line))
    await once(reader, "line")
    const { resources, waldur, hpcUserApi, issuer } = JSON.parse(String(lines[0]))
    expect(resources).toBe(400)
    const headers = { Authorization: `Token ${waldur.tokens.staff}` }
    const response = await fetch(`${waldur.url}marketplace-provider-resources/?field=uuid`, { headers })
    expect(response.headers.get("X-Result-Count")).toBe("400")
    expect(hpcUserApi.tokenUrl).toBe(issuer.tokenUrl)
    expect((await fetch(issuer.jwksUrl)).status).toBe(200)
    child.kill(signal)
    const [code] = await once(child, "exit")
    expect(code).toBe(0)
    expect(lines).toHaveLength(1)
  },
)

test.each([
  ["--resources", "many"],
  ["--pace", "slow"],
  ["--dialect", "9"],
  ["--colour", "blue"],
])("the sandbox's process rejects %s %s with a one-line error", async (...args) => {
  const child = start(...args)
  let errors = ""
  child.stderr?.on("data", (chunk) => {
    errors += chunk
  })
  const [code] = await once(child, "close")
  expect(code).toBe(2)
  expect(errors).toMatch(/^sandbox: .*\n$/)
})

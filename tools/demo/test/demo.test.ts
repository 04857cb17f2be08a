import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { freePort, hasEnded, run, spawnProxy, until } from "@cscs/harness"
import { buildWorld } from "@cscs/sandbox"
import { expect, onTestFinished, test } from "vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
/** Generous for a busy machine: five processes start one after another. */
const startWithinMs = 120_000

/** Starts the demo on a free port, in its own process group as in a terminal. */
const startDemo = async (...args: ReadonlyArray<string>) => {
  const port = await freePort()
  const demo = spawnProxy({ command: [process.execPath, main, "--port", String(port), ...args], hasGroup: true })
  onTestFinished(async () => void (await demo.stop("SIGINT")))
  const printed = () => {
    if (hasEnded(demo.child)) throw new Error(demo.stderr())
    return demo.stdout().includes("Ctrl+C") && demo.stdout()
  }
  return {
    ...demo,
    url: `http://127.0.0.1:${port}`,
    printed: await until("the demo has started", printed, startWithinMs),
  }
}

test("the demo prints a tree that fits on one screen and commands that work, and Ctrl+C ends it quietly", async () => {
  const { url, printed, stdout, stderr, stop } = await startDemo()
  const opened = printed.indexOf("\n\n")
  const [tree = "", ...tried] = printed.slice(opened + 2).split(/\n\d+ entries, /)
  expect(printed.slice(0, opened)).toBe(`Explorer: ${url}/explorer/`)
  expect((await fetch(`${url}/explorer/`)).status).toBe(200)
  const lines = tree.trimEnd().split("\n")
  expect(lines.length).toBeLessThanOrEqual(50)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120)
  for (const status of ["active", "updating", "pending", "removing"]) expect(tree).toContain(`  ${status}  `)

  const commands = [...tried.join().matchAll(/^ {2}(\S.*)$/gm)].map(([, command = ""]) => command)
  const queries = commands.flatMap((command) => /^curl '([^']*)'/.exec(command)?.[1] ?? [])
  expect(queries.length).toBeGreaterThan(2)
  for (const query of queries) {
    expect(query.startsWith(url)).toBe(true)
    expect([query, (await fetch(query)).status]).toEqual([query, 200])
  }
  const others = commands.filter((command) => !command.startsWith("curl "))
  const folder = /^cd '(.*)'/.exec(others[0] ?? "")?.[1] ?? ""
  const shown = others.map((command) => command.split(" ")[1]).join(" ")
  expect(shown).toBe(`'${folder}' check tree explain export diff ./provisioner.env`)
  // In a shell without this workspace's variables, like another terminal.
  const script = [...others, 'echo "a provisioner of $PROXY_URL"'].join("\n")
  const output = await run("/bin/sh", ["-ec", script], { env: { PATH: "/usr/bin:/bin" } })
  expect(output).toContain(tree.trimEnd())
  expect(output).toContain("served as")
  expect(output).toContain(`a provisioner of ${url}`)
  const { pagination } = JSON.parse(await (await fetch(`${url}/api/storage-resources/`)).text())
  const exported = JSON.parse(readFileSync(`${folder}/entries.json`, "utf8"))
  expect(exported).toHaveLength(pagination.total)

  const before = stdout().length
  expect(await stop("SIGINT")).toBe(0)
  expect([stdout().slice(before), stderr()]).toEqual(["\nThe demo has ended.\n", ""])
  expect(existsSync(folder)).toBe(false)
  await expect(fetch(url)).rejects.toThrow()
})

test("the demo with --odd serves the edge cases of the tests", async () => {
  const { printed } = await startDemo("--odd")
  expect(printed).toContain(`, from ${buildWorld().resources.length} resources `)
})

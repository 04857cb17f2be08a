import { existsSync, globSync, readFileSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { spawnProxy, startProxy, until } from "../src/index.ts"

/** Writes a program that replaces the proxy. */
const writeProgram = async (source: string) => {
  const folder = await mkdtemp(join(tmpdir(), "harness-"))
  onTestFinished(() => rm(folder, { recursive: true }))
  const main = join(folder, "main.mjs")
  await writeFile(main, source)
  return main
}

const line = (annotations: object) => JSON.stringify({ message: "any words", level: "INFO", ...annotations })
const listening = (url: string) => `console.error(${JSON.stringify(line({ event: "listening", url }))})`
const living = "setInterval(() => {}, 1000)"

const isGone = (pid: number): boolean => {
  try {
    return !process.kill(pid, 0)
  } catch {
    return true
  }
}

describe("startProxy", () => {
  test("takes the URL from the event `listening`, whatever other lines contain", async () => {
    const main = await writeProgram(`
      console.error("Serving at http://127.0.0.1:1")
      console.error(${JSON.stringify(line({ event: "configuration", url: "http://127.0.0.1:2" }))})
      ${listening("http://127.0.0.1:3")}
      ${living}`)
    const lines: Array<string> = []
    const running = await startProxy({ main, onLine: (text) => lines.push(text) })
    expect(running.url).toBe("http://127.0.0.1:3")
    expect(lines.length).toBe(3)
    expect(await running.stop()).toBe("SIGTERM")
  })

  test("waits for readiness on request", async () => {
    const main = await writeProgram(`
      import { createServer } from "node:http"
      let requests = 0
      const server = createServer((request, response) => {
        requests += 1
        response.writeHead(requests < 3 ? 503 : 200).end(String(requests))
      }).listen(0, "127.0.0.1", () => {
        const url = "http://127.0.0.1:" + server.address().port
        console.error(JSON.stringify({ message: "", level: "INFO", event: "listening", url }))
      })`)
    const { url, stop } = await startProxy({ main, isReady: true })
    expect(await (await fetch(url)).text()).toBe("4")
    await stop()
  })

  test("fails with the end of the log if the process ends before it listens", async () => {
    const main = await writeProgram(`console.error("the reason"); process.exitCode = 3`)
    await expect(startProxy({ main })).rejects.toThrow(/it ended with 3\nthe reason/)
  })

  test("fails if the program does not exist", async () => {
    await expect(startProxy({ command: ["/no/such/program"] })).rejects.toThrow(/ENOENT/)
  })

  test("passes `serve`, a free port and the arguments; inherits only PATH, and disables the compile cache", async () => {
    const main = await writeProgram(`console.log(JSON.stringify([process.argv.slice(2), Object.keys(process.env)]))
      ${listening("http://x")}
      ${living}`)
    const environment = { ONE: "1", NOT: undefined }
    const { stdout, stop } = await startProxy({ main, args: ["--config", "a"], environment })
    await until("its output", () => stdout().endsWith("\n"))
    const [args, names] = JSON.parse(stdout())
    expect(args).toEqual(["serve", "--port", "0", "--config", "a"])
    expect(names.toSorted()).toEqual(["NODE_DISABLE_COMPILE_CACHE", "ONE", "PATH"])
    await stop()
  })
})

describe("spawnProxy", () => {
  test("returns the exit code and all output of a process that exits", async () => {
    const main = await writeProgram(`console.log("out"); console.error("err"); process.exit(process.argv.length)`)
    const { ended, stdout, stderr } = spawnProxy({ main, args: ["check", "--json"] })
    expect(await ended).toBe(4)
    expect([stdout(), stderr()]).toEqual(["out\n", "err\n"])
  })

  test("keeps the newest part of a long log", async () => {
    const main = await writeProgram(`for (let at = 0; at < 2000; at++) console.error("line " + at)`)
    const { ended, stderr } = spawnProxy({ main, logKept: 1000 })
    await ended
    expect(stderr().length).toBeLessThanOrEqual(2000 + 65_536)
    expect(stderr()).toMatch(/line 1999\n$/)
  })

  test("signals the whole group of a process with its own group", async () => {
    const main = await writeProgram(`
      import { spawn } from "node:child_process"
      const child = spawn(process.execPath, ["-e", "console.log(process.pid); setInterval(() => {}, 1000)"], { stdio: ["ignore", "inherit", "inherit"] })
      ${living}`)
    const { stdout, stop } = spawnProxy({ main, hasGroup: true })
    const pid = Number(await until("the child's pid", () => /^\d+\n/.exec(stdout())?.[0]))
    await stop("SIGINT")
    await until("the child has ended", () => isGone(pid))
  })
})

test.each(["exits", "is interrupted"])("a tool that %s leaves no scratch folder and no child process", async (how) => {
  const source = `
    import { spawn } from "node:child_process"
    import { scratchFolder, watch } from ${JSON.stringify(join(import.meta.dirname, "../src/index.ts"))}
    const folder = scratchFolder("test")
    const child = watch(spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" }))
    console.log(JSON.stringify([folder, child.pid]))
    ${how === "exits" ? "process.exit(0)" : "setInterval(() => {}, 1000)"}`
  const tool = spawnProxy({ command: [process.execPath, "--input-type=module", "--eval", source] })
  const line = await until("its folder", () => /^\[.*\]\n/.exec(tool.stdout())?.[0])
  if (how === "is interrupted") tool.signal("SIGINT")
  expect(await tool.ended).toBe(how === "is interrupted" ? 130 : 0)
  const [folder, pid] = JSON.parse(line)
  expect(existsSync(folder)).toBe(false)
  await until("the child has ended", () => isGone(pid))
})

test("only the harness refers to the proxy's entry point", () => {
  const root = join(import.meta.dirname, "../../..")
  const exclude = ["**/node_modules/**", "**/dist/**"]
  const sources = globSync("{apps,packages,tools,deploy,.ci}/**/*.{ts,mjs}", { cwd: root, exclude })
  const naming = sources.filter((path) => readFileSync(join(root, path), "utf8").includes("storage-proxy/src/main.ts"))
  expect(sources.length).toBeGreaterThan(300)
  expect(naming.filter((path) => !path.startsWith("tools/harness/"))).toEqual([])
})

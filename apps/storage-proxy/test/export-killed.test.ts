import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { setTimeout as after } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { buildWorld } from "@cscs/sandbox"
import { describe, expect, test, vi } from "vitest"
import { aDirectory, aSandbox, compileCache, environmentOf, finished, run, until } from "./a-process.ts"

// Each killed process has to start first.
vi.setConfig({ testTimeout: 900_000 })

const slowSave = fileURLToPath(new URL("./a-slow-save.ts", import.meta.url))
const line = "x".repeat(1000)

const save = (path: string, lines: number, text = line) => {
  const child = spawn(process.execPath, [slowSave, path, text, String(lines)], {
    // Node compiles Effect once, not again in each process.
    env: { PATH: process.env.PATH ?? "", NODE_COMPILE_CACHE: compileCache },
    stdio: ["ignore", "pipe", "inherit"],
  })
  return { child, ended: once(child, "close"), begins: once(child.stdout, "data") }
}

describe("a file that is saved atomically", () => {
  test("is the old one or the new one, whenever the writer is killed", async () => {
    const directory = await aDirectory()
    const path = join(directory, "entries.json")
    const lines = 20_000
    await save(path, 1).ended
    const old = await readFile(path, "utf8")
    const whole = save(join(directory, "measured"), lines)
    await whole.begins
    const started = performance.now()
    await whole.ended
    let took = performance.now() - started
    let killedHalfway = 0
    // As often as needed, because the duration of a write on a busy machine is unpredictable.
    for (let kill = 0; kill < 10 || killedHalfway <= 3; kill++) {
      await writeFile(path, old)
      const { child, begins, ended } = save(path, lines)
      await begins
      await after((took * 1.1 * (kill % 10)) / 10)
      const halfway = (await readdir(directory)).some((name) => name.endsWith(".tmp"))
      child.kill("SIGKILL")
      await ended
      if (halfway) killedHalfway += 1
      // It ended before it was killed: perhaps the machine was busier when the duration was measured.
      if (child.exitCode === 0) took *= 0.8
      const { size } = await stat(path)
      expect([old.length, lines * (line.length + 1)]).toContain(size)
    }
    await save(path, 1).ended
    expect((await readdir(directory)).toSorted()).toEqual(["entries.json", "measured"])
  })

  test("does not remove others' unfinished files while they may still be written", async () => {
    const directory = await aDirectory()
    const path = join(directory, "entries.json")
    const name = (host: string, pid: number) => `.entries.json.${host}.${pid}.0123abcd.tmp`
    const running = name(hostname(), process.pid)
    const gone = name(hostname(), 2 ** 22 + 1)
    const elsewhere = name("other.example.org", 1)
    const longGone = name("other.example.org", 2)
    for (const other of [running, gone, elsewhere, longGone, ".entries.json.tmp"]) {
      await writeFile(join(directory, other), "half")
    }
    await utimes(join(directory, longGone), new Date(0), new Date(0))
    await save(path, 1).ended
    expect((await readdir(directory)).toSorted()).toEqual(
      [".entries.json.tmp", running, elsewhere, "entries.json"].toSorted(),
    )
  })

  test("is written even if a leftover cannot be removed", async () => {
    const directory = await aDirectory()
    const leftover = `.entries.json.${hostname()}.${2 ** 22 + 1}.0123abcd.tmp`
    await mkdir(join(directory, leftover))
    expect(await save(join(directory, "entries.json"), 1, "new").ended).toEqual([0, null])
    expect(await readFile(join(directory, "entries.json"), "utf8")).toBe("new\n")
  })

  test("keeps its mode, and replaces the target of a link", async () => {
    const directory = await aDirectory()
    const path = join(directory, "there", "entries.json")
    await mkdir(join(directory, "there"))
    await writeFile(path, "old")
    await chmod(path, 0o660)
    await symlink(path, join(directory, "link.json"))
    await save(join(directory, "link.json"), 1, "new").ended
    expect(await readFile(path, "utf8")).toBe("new\n")
    expect((await stat(path)).mode & 0o777).toBe(0o660)
    expect((await readdir(directory)).toSorted()).toEqual(["link.json", "there"])
  })
})

describe("export", () => {
  test("killed at any moment leaves the old file or the new one", async () => {
    const sandbox = await aSandbox({ world: buildWorld({ edgeCases: false, resources: 2000 }) })
    const environment = environmentOf(sandbox)
    const directory = await aDirectory()
    const path = join(directory, "entries.json")
    const began = performance.now()
    await finished(["export", "--out", path], { environment })
    const took = performance.now() - began
    const whole = await readFile(path, "utf8")
    expect(JSON.parse(whole).length).toBeGreaterThan(2000)
    for (let kill = 0; kill < 8; kill++) {
      await writeFile(path, "old")
      const { child, ended } = await run(["export", "--out", path], { environment })
      // The first half is the start of the process.
      await after(took * (0.4 + (0.7 * kill) / 8))
      child.kill("SIGKILL")
      await ended
      expect(["old", whole]).toContain(await readFile(path, "utf8"))
    }
    await finished(["export", "--out", path], { environment })
    expect(await readdir(directory)).toEqual(["entries.json"])
  })

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("ended by %s leaves the old file, nothing beside it, and exit code %i", async (signal, code) => {
    const sandbox = await aSandbox()
    const directory = await aDirectory()
    const path = join(directory, "entries.json")
    await writeFile(path, "old")
    const hanging = sandbox.faults.set("waldur", { hang: true })
    const { child, ended } = await run(["export", "--out", path], { environment: environmentOf(sandbox) })
    await until(() => hanging.struck > 0)
    child.kill(signal)
    expect(await ended).toBe(code)
    expect(await readFile(path, "utf8")).toBe("old")
    expect(await readdir(directory)).toEqual(["entries.json"])
  })
})

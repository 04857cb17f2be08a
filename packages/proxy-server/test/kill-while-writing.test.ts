import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as after } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { Effect, Result } from "effect"
import { build } from "tsdown"
import { beforeAll, expect, onTestFinished, test } from "vitest"
import { readSnapshotFile } from "../src/persistence/snapshot-file.ts"
import { numberOf } from "./a-numbered-snapshot.ts"
import { until } from "./a-proxy.ts"
import { testModel } from "./a-snapshot.ts"

/** Bundled: a hundred of them start in a fraction of the time. */
let writer = ""
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "a-writer-"))
  await build({
    config: false,
    entry: [fileURLToPath(new URL("a-writer.ts", import.meta.url))],
    outDir: folder,
    platform: "node",
    fixedExtension: false,
    dts: false,
    deps: { alwaysBundle: [/.*/] },
    logLevel: "error",
  })
  writer = join(folder, "a-writer.js")
  return () => rm(folder, { recursive: true })
})
const identity = "ours"
const kills = 100
/** Concurrent writers, each with a file of its own. */
const lanes = 2

/** mulberry32: numbers from 0 to 1, determined by the seed. */
const numbersFrom = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const aWriter = (path: string, first: number, count = 1_000_000) => {
  const child = spawn(process.execPath, [writer, path, identity, String(first), String(count)], {
    // Node compiles it once, not again in each process.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), "storage-proxy-tests-compile-cache") },
    stdio: ["ignore", "pipe", "inherit"],
  })
  let reported = ""
  child.stdout.setEncoding("utf8").on("data", (text) => {
    reported += text
  })
  // "close", not "exit": only then has all its output been read.
  const ended = once(child, "close")
  const last = (word: string) => Number(reported.match(new RegExp(`${word} (\\d+)\\n(?![^]*${word} )`))?.[1] ?? 0)
  return { child, ended, begun: () => last("begun"), written: () => last("written") }
}

/** The number of the snapshot in the file, 0 if there is none; otherwise what is wrong with it. */
const keptIn = async (path: string): Promise<number | string> => {
  const result = await Effect.runPromise(Effect.result(readSnapshotFile(path, identity, testModel)))
  if (Result.isFailure(result)) return result.failure.message
  return result.success === undefined ? 0 : numberOf(result.success)
}

/** Starts a writer, kills it at a random moment and checks the file, again and again. */
const killed = async (directory: string, times: number, chance: () => number) => {
  const found = { unfinished: 0, none: 0, before: 0, last: 0 }
  // How long a write takes here, in milliseconds: the kills are spread over more than one write.
  let took = 30
  for (let kill = 0, kept = 0; kill < times; kill += 1) {
    // A new file now and then, since the first write has no previous file.
    const path = join(directory, String(Math.floor(kill / 10)))
    if (kill % 10 === 0) kept = 0
    const { child, ended, begun, written } = aWriter(path, kept + 1)
    await until(() => begun() > 0 || child.exitCode !== null)
    const seen = performance.now()
    if (kill % 10 === 5) {
      await until(() => written() > 0 || child.exitCode !== null)
      took = performance.now() - seen
    }
    await after(chance() * 1.5 * took)
    child.kill("SIGKILL")
    const [, signal] = await ended
    expect(signal).toBe("SIGKILL")
    if (existsSync(`${path}.tmp`)) found.unfinished += 1
    const now = await keptIn(path)
    const good = Math.max(kept, written())
    // The file has the snapshot that was written last, or the next one if it was renamed into place at that very
    // moment.
    expect({ kill, now }).toEqual({ kill, now: now === begun() ? begun() : good })
    if (now === 0) found.none += 1
    else if (now === begun() && now !== written()) found.last += 1
    else found.before += 1
    kept = now as number
  }
  return found
}

test(`kill -9 at ${kills} random moments while the file is written leaves the last good snapshot, or none`, async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const directory = await mkdtemp(join(tmpdir(), "kill-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  // One that ends by itself, since only such a process leaves node's compile cache for the others.
  const one = join(directory, "one")
  expect(await aWriter(one, 1, 1).ended).toEqual([0, null])
  expect(await keptIn(one)).toBe(1)
  const found = await Promise.all(
    Array.from({ length: lanes }, async (_, lane) =>
      killed(await mkdtemp(join(directory, "lane-")), kills / lanes, numbersFrom(seed + lane)),
    ),
  )
  const unfinished = found.reduce((sum, one) => sum + one.unfinished, 0)
  process.stderr.write(`seed ${seed}: ${unfinished} of ${kills} kills hit a write; ${JSON.stringify(found)}\n`)
  // Otherwise the test would not exercise what it is for.
  expect(unfinished).toBeGreaterThan(10)
}, 600_000)

import { createHash } from "node:crypto"
import { lstat } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as after } from "node:timers/promises"
import { buildWorld } from "@cscs/sandbox"
import { expect, test } from "vitest"
import { aDirectory, aSandbox, environmentOf, run, serving, until } from "./a-process.ts"

const kills = 5
const list = "/api/storage-resources/?page_size=500"
const down = { path: "/api/marketplace-provider-resources/", status: 403 } as const

const isThere = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  )

/** A number from 0 to 1, determined by the seed. */
const chanceOf = (seed: number, kill: number) =>
  createHash("sha256").update(`${seed} ${kill}`).digest().readUInt32BE() / 2 ** 32

const answerOf = async (url: string) => {
  const response = await fetch(`${url}${list}`)
  return { status: response.status, text: await response.text() }
}

test(`after kill -9 at any of ${kills} random moments, the next process starts and serves correctly`, async () => {
  const sandbox = await aSandbox({ world: buildWorld({ edgeCases: false, resources: 2000 }) })
  const directory = await aDirectory()
  const began = performance.now()
  const whole = await serving([], { environment: environmentOf(sandbox) })
  const right = await answerOf(whole.url)
  const took = performance.now() - began
  whole.child.kill("SIGKILL")
  await whole.ended
  expect([right.status, right.text.length > 100_000]).toEqual([200, true])

  const seed = Math.floor(Math.random() * 2 ** 31)
  const moments: Array<{ after: number; kept: boolean; unfinished: boolean }> = []
  for (let kill = 0; kill < kills; kill += 1) {
    // Sometimes a new file, because a first start has none.
    const path = join(directory, String(Math.floor(kill / 3)))
    const environment = { ...environmentOf(sandbox), CACHE_PATH: path }
    const moment = chanceOf(seed, kill) * 1.5 * took
    const { child, ended } = await run(["serve", "--port", "0"], { environment })
    await after(moment)
    child.kill("SIGKILL")
    expect(await ended).toBe("SIGKILL")
    const kept = await isThere(path)
    moments.push({ after: Math.round(moment), kept, unfinished: await isThere(`${path}.tmp`) })

    // While Waldur is down, only the file provides the list.
    const isDown = kill % 2 === 0
    const fault = isDown ? sandbox.faults.set("waldur", down) : undefined
    const next = await serving([], { environment })
    if (!isDown) await until(async () => (await fetch(`${next.url}/healthz/ready`)).status === 200)
    const found = await answerOf(next.url)
    if (isDown && !kept) expect([kill, found.status]).toEqual([kill, 502])
    else expect({ kill, ...found }).toEqual({ kill, ...right })
    expect(next.stderr()).not.toMatch(/"event":"snapshot-(damaged|not-kept)"|"level":"FATAL"/)
    next.child.kill("SIGKILL")
    await next.ended
    fault?.clear()
  }
  process.stderr.write(`seed ${seed}: killed ${JSON.stringify(moments)}\n`)
}, 600_000)

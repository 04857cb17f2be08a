import { lstat } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as after } from "node:timers/promises"
import { buildWorld } from "@cscs/sandbox"
import { expect, test } from "vitest"
import { aDirectory, aSandbox, environmentOf, run, serving, until } from "./a-process.ts"

const kills = 10
const list = "/api/storage-resources/?page_size=500"
const down = { path: "/api/marketplace-resources/", status: 403 } as const

const isThere = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  )

const answerOf = async (url: string) => {
  const response = await fetch(`${url}${list}`)
  return { status: response.status, text: await response.text() }
}

test(`kill -9 at ${kills} random moments from the start on: the next one starts and answers right`, async () => {
  const sandbox = await aSandbox({ world: buildWorld({ edgeCases: false, resources: 2000 }) })
  const path = join(await aDirectory(), "kept")
  // Renewed all the time, so that the first snapshot and its write lie within the moments that can be hit.
  const environment = { ...environmentOf(sandbox), CACHE_PATH: path, CACHE_FULL_REFRESH_EVERY: "0" }
  const began = performance.now()
  const whole = await serving([], { environment: { ...environment, CACHE_PATH: "" } })
  const right = await answerOf(whole.url)
  const took = performance.now() - began
  whole.child.kill("SIGKILL")
  await whole.ended
  expect([right.status, right.text.length > 100_000, await isThere(path)]).toEqual([200, true, false])

  const moments: Array<{ after: number; kept: boolean; unfinished: boolean }> = []
  for (let kill = 0; kill < kills; kill += 1) {
    const moment = Math.random() * 1.5 * took
    const { child, ended } = await run(["serve", "--port", "0"], { environment })
    await after(moment)
    child.kill("SIGKILL")
    expect(await ended).toBe("SIGKILL")
    const kept = await isThere(path)
    moments.push({ after: Math.round(moment), kept, unfinished: await isThere(`${path}.tmp`) })

    // While Waldur is down there is nothing but the file to answer from.
    const isDown = kill % 2 === 0
    const fault = isDown ? sandbox.faults.set("waldur", down) : undefined
    const next = await serving([], { environment })
    if (!isDown) await until(async () => (await fetch(`${next.url}/healthz/ready`)).status === 200)
    const found = await answerOf(next.url)
    if (isDown && !kept) expect([kill, found.status]).toEqual([kill, 502])
    else expect({ kill, ...found }).toEqual({ kill, ...right })
    expect(next.stderr()).not.toMatch(/damaged|cannot be kept|"level":"FATAL"/)
    next.child.kill("SIGKILL")
    await next.ended
    fault?.clear()
  }
  process.stderr.write(`killed ${JSON.stringify(moments)}\n`)
}, 600_000)

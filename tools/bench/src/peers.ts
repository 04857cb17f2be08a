/** Other versions beside this one, against the same sandbox: the two Python ones, or an earlier release. */
import { spawn } from "node:child_process"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { end, freePort, hasEnded, memoryOf, watch } from "@cscs/harness"
import { type Bench, freshForLong, withProxy } from "./bench-context.ts"
import { onServerCore } from "./cores.ts"
import { milliseconds, seconds, times, whole } from "./figures.ts"
import { runLoad } from "./load.ts"
import { firstResponse, pageOf100 } from "./storage-list.ts"

export const peersHead =
  "resources | version | first response | times ours | requests/s | ours / theirs | p50 | failures | peak"

/** Seconds of load: the slowest version responds to some ten requests in them. */
const duration = 30

/** Each file in the folder of `--peers` starts one version: it gets the proxy's environment, and its port as `PORT`. */
export const measurePeers = async (bench: Bench): Promise<void> => {
  const { peers, folder, row, staffToken } = bench
  if (peers === undefined) return
  const environment = { ...bench.environment, WALDUR_API_TOKEN: staffToken, DISABLE_AUTH: "true" }
  const under = async ({ pid, url, spawnedAt }: { pid: number; url: string; spawnedAt: number }) => {
    const first = performance.now() - spawnedAt
    return { first, ...(await runLoad(pid, { url: url + pageOf100, seconds: duration })), peak: memoryOf(pid).peak }
  }
  const ours = await withProxy({ ...bench, environment }, freshForLong, under)
  const show = (name: string, { first, perSecond, p50, failures, peak }: typeof ours) => {
    const rate = perSecond < 10 ? perSecond.toPrecision(3) : whole(perSecond)
    const ratios = [times(first / ours.first), rate, times(ours.perSecond / perSecond)]
    row(name, seconds(first), ...ratios, milliseconds(p50), whole(failures), `${whole(peak)} MB`)
  }
  show("ours", ours)
  for (const name of await readdir(peers)) {
    const port = String(await freePort())
    const [program, ...parameters] = onServerCore(join(peers, name))
    const spawnedAt = performance.now()
    const env = { PATH: process.env.PATH, HOME: folder, ...environment, PORT: port }
    const child = watch(spawn(program, parameters, { stdio: "ignore", cwd: folder, env }))
    try {
      const url = `http://127.0.0.1:${port}`
      await firstResponse(url + pageOf100, {}, () => hasEnded(child))
      show(name, await under({ pid: child.pid ?? 0, url, spawnedAt }))
    } finally {
      await end(child)
    }
  }
}

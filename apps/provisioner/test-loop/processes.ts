/** The proxy and the provisioner as processes, the sandbox's Waldur, and a folder for all that they keep. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  freePort,
  type RunningProxy,
  type SpawnedProxy,
  sandboxEnvironment,
  spawnProxy,
  startProxy,
} from "@cscs/harness"
import { buildWorld, type Sandbox, startSandbox } from "@cscs/sandbox"
import { onTestFinished } from "vitest"

export const systems = ["capstor", "vast", "iopsstor"]
/** New resources with a greater GID are rejected. */
export const maxGid = 70_000

const main = new URL("../src/main.ts", import.meta.url).pathname

export interface Site {
  readonly sandbox: Sandbox
  /** Mount points are below it. */
  readonly root: string
  /** Nothing in it is any program's concern. */
  readonly outside: string
  readonly proxyUrl: string
  readonly proxyLog: () => string
  readonly restartProxy: () => Promise<void>
  readonly provisioner: (command: string) => SpawnedProxy
}

export const aSite = async (seed: number): Promise<Site> => {
  const world = buildWorld({ edgeCases: false, resources: 16, seed })
  world.resources = world.resources.filter(({ state, order_in_progress }) => state === "OK" && !order_in_progress)
  const sandbox = await startSandbox({ world })
  onTestFinished(() => sandbox.close())
  // Waldur moves a resource some time after its order was approved.
  sandbox.waldur.worker.delay = 100
  const port = String(await freePort())
  const environment = { ...sandboxEnvironment(sandbox), CACHE_FRESH_FOR: "200ms", CACHE_FULL_REFRESH_EVERY: "2s" }
  const start = () => startProxy({ environment, args: ["--port", port], isReady: true, logKept: 10_000 })
  let proxy: RunningProxy = await start()
  onTestFinished(async () => void (await proxy.stop("SIGKILL")))

  const folder = mkdtempSync(join(tmpdir(), "provisioner-loop-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const root = join(folder, "root")
  const outside = join(folder, "outside")
  for (const name of systems) mkdirSync(join(root, name), { recursive: true })
  mkdirSync(outside)
  writeFileSync(join(outside, "data"), "of others")
  const config = join(folder, "provisioner.yaml")
  const settings = {
    proxy: { url: proxy.url, disable_auth: true, timeout: "20s" },
    waldur_api_url: sandbox.waldur.url,
    waldur_api_token: sandbox.waldur.actingToken,
    waldur_timeout: "2s",
    state_path: join(folder, "state"),
    prefix: root,
    storage_systems: Object.fromEntries(systems.map((name) => [name, { driver: "directory", root: join(root, name) }])),
    poll_every: "1s",
    check_every: "2s",
    retry_after: "500ms",
    max_removals: 1000,
    policy: { max_gid: maxGid },
  }
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 })
  return {
    sandbox,
    root,
    outside,
    proxyUrl: proxy.url,
    proxyLog: () => proxy.stderr(),
    restartProxy: async () => {
      await proxy.stop("SIGKILL")
      proxy = await start()
    },
    provisioner: (command) => {
      const child = spawnProxy({ main, args: [command, "--config", config] })
      onTestFinished(() => child.signal("SIGKILL"))
      return child
    },
  }
}

/** The proxy and the provisioner as processes, the sandbox's Waldur, and a folder for their files. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
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
/** The timeout of a call that hangs. */
const hangs = "2s"
/** New resources with a greater GID are rejected. */
export const maxGid = 70_000

/**
 * Settings of the proxy and the provisioner with which a loop takes seconds instead of minutes. Without the loss guard: these few
 * entries are moved and removed so fast that it would keep the last ones for an hour, and every order would wait.
 */
const fast = {
  environment: { CACHE_FRESH_FOR: "200ms", CACHE_FULL_REFRESH_EVERY: "2s", CACHE_EMPTY_GUARD: "0s" },
  settings: { poll_every: "1s", check_every: "2s", retry_after: "500ms", max_removals: 1000 },
}

/** A bundle starts in a seventh of the time. */
const main = process.env.LOOP_MAIN ?? new URL("../src/main.ts", import.meta.url).pathname

export interface Site {
  readonly sandbox: Sandbox
  /** Mount points are below it. */
  readonly root: string
  /** A folder that no program may touch. */
  readonly outside: string
  readonly proxyUrl: string
  /** The path of the provisioner's journal. */
  readonly journal: string
  /** Kills the proxy, and starts it again. */
  readonly restartProxy: () => Promise<void>
  readonly provisioner: (command: string) => SpawnedProxy
  /** What each process logged last, and what is pending, for a loop that has stalled. */
  readonly situation: () => Promise<string>
}

/** Lines of each log and of the journal that an error contains. */
const shown = 25
const lastLines = (text: string) => text.trim().split("\n").slice(-shown).join("\n")

export const aSite = async (
  seed: number,
  more: { readonly environment?: object; readonly settings?: object } = fast,
): Promise<Site> => {
  const world = buildWorld({ edgeCases: false, resources: 16, seed })
  world.resources = world.resources.filter(({ state, order_in_progress }) => state === "OK" && !order_in_progress)
  const sandbox = await startSandbox({ world })
  onTestFinished(() => sandbox.close())
  // Waldur moves a resource some time after its order was approved.
  sandbox.waldur.worker.delay = 100
  const port = String(await freePort())
  const environment = {
    ...sandboxEnvironment(sandbox),
    WALDUR_TIMEOUT: hangs,
    ...more.environment,
  }
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
    waldur_timeout: hangs,
    state_path: join(folder, "state"),
    prefix: root,
    storage_systems: Object.fromEntries(systems.map((name) => [name, { driver: "directory", root: join(root, name) }])),
    policy: { max_gid: maxGid },
    ...more.settings,
  }
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 })
  const journal = join(folder, "state", "journal.jsonl")
  let provisioner: SpawnedProxy | undefined
  return {
    sandbox,
    root,
    outside,
    proxyUrl: proxy.url,
    journal,
    restartProxy: async () => {
      await proxy.stop("SIGKILL")
      proxy = await start()
    },
    provisioner: (command) => {
      const child = spawnProxy({ main, args: [command, "--config", config] })
      onTestFinished(() => child.signal("SIGKILL"))
      if (command === "run") provisioner = child
      return child
    },
    situation: async () => {
      const ready = await fetch(`${proxy.url}/healthz/ready`, { signal: AbortSignal.timeout(5000) }).then(
        (response) => response.text(),
        String,
      )
      const pending = sandbox.calls.of("waldur").filter(({ status }) => status === 0)
      return [
        `provisioner, ${provisioner?.child.exitCode ?? provisioner?.child.signalCode ?? "running"}:`,
        lastLines(provisioner?.stderr() ?? ""),
        "journal:",
        existsSync(journal) ? lastLines(readFileSync(journal, "utf8")) : "none",
        `proxy, ${ready}:`,
        lastLines(proxy.stderr()),
        `Waldur, ${sandbox.calls.inFlight("waldur")} calls in flight, the last without a response:`,
        ...pending.slice(-5).map(({ method, path, startedAt }) => `${startedAt} ${method} ${path}`),
      ].join("\n")
    },
  }
}

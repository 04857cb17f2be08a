import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sandboxEnvironment, spawnProxy, startProxy } from "@cscs/harness"
import { buildDemoWorld, startSandbox } from "@cscs/sandbox"
import { onTestFinished } from "vitest"

const main = new URL("../src/main.ts", import.meta.url).pathname

/** The executable, for the demo's world, with roots of the driver `directory` in a folder. */
export const aProgram = async (
  more: Readonly<Record<string, unknown>> = {},
  systems: ReadonlyArray<string> = ["capstor", "vast", "iopsstor"],
) => {
  const sandbox = await startSandbox({ world: buildDemoWorld() })
  onTestFinished(() => sandbox.close())
  const proxy = await startProxy({ environment: sandboxEnvironment(sandbox), isReady: true })
  onTestFinished(async () => void (await proxy.stop()))
  const folder = mkdtempSync(join(tmpdir(), "provisioner-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const root = (name: string) => join(folder, "root", name)
  for (const name of systems) mkdirSync(root(name), { recursive: true })
  const config = join(folder, "provisioner.yaml")
  const settings = {
    proxy: { url: proxy.url, disable_auth: true },
    waldur_api_url: sandbox.waldur.url,
    waldur_api_token: sandbox.waldur.actingToken,
    state_path: join(folder, "state"),
    prefix: join(folder, "root"),
    storage_systems: Object.fromEntries(systems.map((name) => [name, { driver: "directory", root: root(name) }])),
    ...more,
  }
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 })
  const start = (...args: ReadonlyArray<string>) => {
    const child = spawnProxy({ main, args: [...args, "--config", config] })
    onTestFinished(() => child.signal("SIGKILL"))
    return child
  }
  return {
    sandbox,
    proxyUrl: proxy.url,
    folder,
    config,
    root,
    start,
    exitOf: (...args: ReadonlyArray<string>) => start(...args).ended,
    /** Whether anything was made on the disk. */
    hasDirectories: () => systems.some((name) => existsSync(join(root(name), "store"))),
    /** Reports that Waldur received. */
    reports: () => sandbox.calls.of("waldur").filter(({ method }) => method === "POST"),
  }
}

import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sandboxEnvironment, startProxy } from "@cscs/harness"
import { buildDemoWorld, startSandbox } from "@cscs/sandbox"
import { expect, onTestFinished, test } from "vitest"

const systems = ["capstor", "vast", "iopsstor"]

test("the executable brings the demo's directories to disk and its orders to an end, and then has nothing to do", async () => {
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
  }
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 })
  const main = new URL("../src/main.ts", import.meta.url).pathname
  const exitOf = async (command: string) => {
    const child = spawn(process.execPath, [main, command, "--config", config], { stdio: "ignore" })
    const [code] = await once(child, "exit")
    return code
  }

  expect(await exitOf("plan")).toBe(2)
  expect(existsSync(join(root("capstor"), "store"))).toBe(false)
  expect(await exitOf("apply")).toBe(0)
  expect(await exitOf("plan")).toBe(0)
  const states = new Map(sandbox.world.resources.map(({ slug, state }) => [slug, state]))
  expect([states.get("capstor-phylo-flu"), states.get("capstor-nanoribbons")]).toEqual(["OK", "Terminated"])
  expect(statSync(join(root("capstor"), "store/cscs/sib/phylo-flu")).gid).toBe(31_024)
})

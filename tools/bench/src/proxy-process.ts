/** The proxy as a process: started as in production, seen through its log. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { end, environmentOf, hasEnded, stagesOf, watch } from "@cscs/harness"
import type { SandboxAddresses } from "./sandbox-process.ts"

/** A `Snapshot taken` of the log. */
export interface SnapshotTaken {
  readonly milliseconds: number
  readonly entries: number
}

export interface RunningProxy {
  readonly pid: number
  /** Without a slash at the end. */
  readonly origin: string
  /** When the process was spawned, as `performance.now()` tells it. */
  readonly spawnedAt: number
  /** Every snapshot that the log told of so far. */
  readonly snapshots: ReadonlyArray<SnapshotTaken>
  /** Its own folder: its configuration, and what Node writes about it. */
  readonly folder: string
  /** The last lines of the log, for an error message. */
  readonly log: () => string
  readonly kill: (signal: NodeJS.Signals) => void
  readonly end: () => Promise<void>
}

export interface ProxyStart {
  readonly main: string
  /** Where the process may have a folder. */
  readonly folder: string
  readonly addresses: SandboxAddresses
  /** Settings by their names in the environment. */
  readonly settings?: Readonly<Record<string, string>>
  readonly nodeFlags?: ReadonlyArray<string>
}

/** Starts the proxy; resolves as soon as it says where it listens, which is before it has anything to answer. */
export const startProxy = async (start: ProxyStart): Promise<RunningProxy> => {
  const folder = await mkdtemp(join(start.folder, "proxy-"))
  const config = join(folder, "config.yaml")
  await writeFile(config, configuration(start.addresses))
  const snapshots: Array<SnapshotTaken> = []
  const lines: Array<string> = []
  const environment = await imageEnvironment()
  const spawnedAt = performance.now()
  const child = watch(
    spawn(process.execPath, [...(start.nodeFlags ?? []), start.main, "serve", "--config", config, "--port", "0"], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
      // Nothing of this shell's: no proxy, no setting by accident.
      env: { PATH: process.env.PATH, ...environment, DISABLE_AUTH: "true", ...start.settings },
    }),
  )
  const log = () => lines.join("\n")
  const origin = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line)
      if (lines.length > 50) lines.shift()
      const address = /Serving at (http:\/\/[^\s"\\]+)/.exec(line)?.[1]
      if (address !== undefined) resolve(address)
      const taken = line.includes("Snapshot taken") ? snapshotIn(line) : undefined
      if (taken !== undefined) snapshots.push(taken)
    })
    child.once("error", reject)
    child.once("exit", (code, signal) => reject(new Error(`The proxy ended (${code ?? signal}):\n${log()}`)))
  })
  return {
    pid: child.pid ?? 0,
    origin,
    spawnedAt,
    snapshots,
    folder,
    log,
    kill: (signal) => child.kill(signal),
    end: async () => {
      // A profile is written while it ends, and open requests are waited for.
      await end(child, 30_000)
      if (!hasEnded(child)) await once(child, "exit")
    },
  }
}

/** JSON is YAML. */
const configuration = ({ waldur, hpcUserApi }: SandboxAddresses): string =>
  JSON.stringify({
    waldur_api_url: waldur.url,
    waldur_api_token: waldur.token,
    storage_systems: { capstor: "capstor", vast: "vast", iopsstor: "iopsstor" },
    backend_settings: { storage_file_system: "lustre", inode_soft_coefficient: 1.33, inode_hard_coefficient: 2.0 },
    hpc_user_api: {
      api_url: hpcUserApi.url,
      client_id: hpcUserApi.clientId,
      client_secret: hpcUserApi.clientSecret,
      oidc_token_url: hpcUserApi.tokenUrl,
      oidc_scope: hpcUserApi.scope,
    },
  })

/** The figures of a log line, whatever object of it holds them. */
const snapshotIn = (line: string): SnapshotTaken | undefined => {
  // safe-regex: a log line of our own process, asked for two names
  const figure = (name: string) => Number(new RegExp(`"${name}":\\s*"?([\\d.]+)`).exec(line)?.[1])
  const milliseconds = figure("milliseconds")
  return Number.isFinite(milliseconds) ? { milliseconds, entries: figure("entries") } : undefined
}

const dockerfile = fileURLToPath(new URL("../../../deploy/Dockerfile", import.meta.url))

/** What the image sets. */
const imageEnvironment = async () => environmentOf((await stagesOf(dockerfile)).at(-1) ?? [])

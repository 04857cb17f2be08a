/** Our proxy and the peers as processes against one sandbox; all of them end with `endAll`. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { openSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Sandbox } from "@cscs/sandbox"
import { type Peer, serverOf } from "./peers.ts"

/** A server that runs. `url` ends without a slash. */
export interface Service {
  readonly url: string
  readonly end: () => Promise<void>
}

export const offeringSlugs: ReadonlyArray<string> = ["capstor", "vast", "iopsstor"]
const storageSystems = JSON.stringify(Object.fromEntries(offeringSlugs.map((slug) => [slug, slug])))
const storageProxy = fileURLToPath(new URL("../../apps/storage-proxy/src/main.ts", import.meta.url))

const running = new Set<ChildProcess>()

/** Ends whatever was started and still runs, at once. Safe at any time. */
export const endAll = (): void => {
  for (const child of running) child.kill("SIGKILL")
}

/** Nothing of our own environment reaches a service: no proxy, no credential, no setting by accident. */
const commonEnvironment = (): Record<string, string> => ({
  PATH: process.env.PATH ?? "",
  HOME: process.env.HOME ?? "",
  DISABLE_AUTH: "true",
})

/** Starts our proxy. */
export const startOurs = async (folder: string, sandbox: Sandbox, deadline: AbortSignal): Promise<Service> => {
  const config = await writeConfig(folder, sandbox)
  return start(
    folder,
    "ours",
    (port) => [process.execPath, [storageProxy, "serve", "--config", config, "--port", String(port)]],
    commonEnvironment(),
    "/healthz/ready",
    deadline,
  )
}

/** Starts a peer that `installPeer` has installed below `venvs`. */
export const startPeer = async (
  folder: string,
  venvs: string,
  peer: Peer,
  sandbox: Sandbox,
  deadline: AbortSignal,
): Promise<Service> => {
  const config = await writeConfig(folder, sandbox)
  const { waldur, hpcUserApi } = sandbox
  const environment = {
    ...commonEnvironment(),
    // Python's made-up numbers depend on it.
    PYTHONHASHSEED: "0",
    PYTHONUNBUFFERED: "1",
    // Both read these even with authentication off; nothing listens there.
    CSCS_KEYCLOAK_URL: "http://127.0.0.1:9/",
    CSCS_KEYCLOAK_REALM: "cscs",
    CSCS_KEYCLOAK_CLIENT_ID: "client",
    CSCS_KEYCLOAK_CLIENT_SECRET: "secret",
    ...(peer.readsYaml
      ? { WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH: config }
      : {
          WALDUR_API_URL: waldur.url,
          WALDUR_API_TOKEN: waldur.tokens.staff,
          STORAGE_SYSTEMS: storageSystems,
          HPC_USER_API_URL: hpcUserApi.url.replace(/\/$/, ""),
          HPC_USER_CLIENT_ID: hpcUserApi.clientId,
          HPC_USER_CLIENT_SECRET: hpcUserApi.clientSecret,
          HPC_USER_OIDC_TOKEN_URL: hpcUserApi.tokenUrl,
          HPC_USER_OIDC_SCOPE: hpcUserApi.scope,
        }),
  }
  return start(
    folder,
    peer.version,
    (port) => [serverOf(venvs, peer), [peer.application, "--host", "127.0.0.1", "--port", String(port)]],
    environment,
    "/openapi.json",
    deadline,
  )
}

/** One file for ours and for 0.7.7: an old file still starts. JSON is YAML. */
const writeConfig = async (folder: string, { waldur, hpcUserApi }: Sandbox): Promise<string> => {
  const file = join(folder, "config.yaml")
  await mkdir(folder, { recursive: true })
  await writeFile(
    file,
    `${JSON.stringify(
      {
        waldur_api_url: waldur.url,
        waldur_api_token: waldur.tokens.staff,
        backend_settings: {
          storage_file_system: "lustre",
          inode_soft_coefficient: 1.33,
          inode_hard_coefficient: 2.0,
          use_mock_target_items: false,
        },
        backend_components: {
          storage: { measured_unit: "TB", accounting_type: "limit", label: "Storage", unit_factor: 1 },
        },
        storage_systems: JSON.parse(storageSystems),
        hpc_user_api: {
          api_url: hpcUserApi.url.replace(/\/$/, ""),
          client_id: hpcUserApi.clientId,
          client_secret: hpcUserApi.clientSecret,
          oidc_token_url: hpcUserApi.tokenUrl,
          oidc_scope: hpcUserApi.scope,
        },
      },
      null,
      2,
    )}\n`,
  )
  return file
}

let started = 0

const start = async (
  folder: string,
  name: string,
  command: (port: number) => readonly [program: string, parameters: ReadonlyArray<string>],
  environment: Record<string, string>,
  readyPath: string,
  deadline: AbortSignal,
): Promise<Service> => {
  deadline.throwIfAborted()
  const port = await freePort()
  const [program, parameters] = command(port)
  started += 1
  const logFile = join(folder, `${started}-${name}.log`)
  const log = openSync(logFile, "w")
  const child = spawn(program, parameters, { cwd: folder, env: environment, stdio: ["ignore", log, log] })
  running.add(child)
  const gone = once(child, "exit").finally(() => running.delete(child))
  gone.catch(() => {})
  const url = `http://127.0.0.1:${port}`
  const end = async () => {
    child.kill("SIGTERM")
    const tooLong = setTimeout(() => child.kill("SIGKILL"), 3000)
    await gone.catch(() => {})
    clearTimeout(tooLong)
  }
  for (let tries = 0; ; tries++) {
    deadline.throwIfAborted()
    if (child.exitCode !== null || !running.has(child)) throw new Error(`${name} did not start; see ${logFile}`)
    const answer = await fetch(url + readyPath, { signal: deadline }).catch(() => undefined)
    if (answer?.ok) return { url, end }
    if (tries > 300) throw new Error(`${name} does not get ready; see ${logFile}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== "object" || address === null) throw new Error("no free port")
  return address.port
}

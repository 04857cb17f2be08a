/** The two predecessors: what to install, and how to start them. The one place with their versions. */
import { spawn } from "node:child_process"
import { access, mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"

export type PeerVersion = "0.7.7" | "0.10.0"

export interface Peer {
  readonly version: PeerVersion
  readonly distribution: string
  /** Exact requirements for pip. With newer libraries both break. */
  readonly requirements: ReadonlyArray<string>
  readonly application: string
  /** Configured by a YAML file, or by the environment alone. */
  readonly readsYaml: boolean
}

export const peers: ReadonlyArray<Peer> = [
  {
    version: "0.7.7",
    distribution: "waldur-site-agent-cscs-hpc-storage",
    requirements: [
      "waldur-site-agent-cscs-hpc-storage==0.7.7",
      "waldur-site-agent==0.7.7",
      "waldur-api-client==7.8.9",
      // The agent pins an old sentry-sdk, which newer ones of these refuse.
      "fastapi>=0.115.14,<0.116",
      "fastapi-cli<0.0.8",
      "fastapi-keycloak-middleware<2",
    ],
    application: "waldur_site_agent_cscs_hpc_storage.waldur_storage_proxy.main:app",
    readsYaml: true,
  },
  {
    version: "0.10.0",
    distribution: "waldur-cscs-hpc-storage",
    requirements: ["waldur-cscs-hpc-storage==0.10.0", "waldur-api-client==8.0.5", "fastapi-keycloak-middleware<2"],
    application: "waldur_cscs_hpc_storage.api.main:app",
    readsYaml: false,
  },
]

const environmentOf = (folder: string, peer: Peer) => join(folder, `venv-${peer.version}`)

/** The program that serves the peer's application. */
export const serverOf = (folder: string, peer: Peer): string => join(environmentOf(folder, peer), "bin", "uvicorn")

/**
 * Makes the peer's virtual environment with pip, unless the folder has it already with the same requirements.
 *
 * @param stop ends pip in the middle
 */
export const installPeer = async (folder: string, peer: Peer, stop: AbortSignal): Promise<void> => {
  const environment = environmentOf(folder, peer)
  const marker = join(environment, "requirements-installed.txt")
  const wanted = peer.requirements.join("\n")
  const installed = await readFile(marker, "utf8").catch(() => undefined)
  if (installed === wanted) return
  await mkdir(folder, { recursive: true })
  await run("python3", ["-m", "venv", environment], stop)
  await run(
    join(environment, "bin", "pip"),
    ["install", "--quiet", "--disable-pip-version-check", ...peer.requirements],
    stop,
  )
  await access(serverOf(folder, peer))
  await writeFile(marker, wanted)
}

const run = (program: string, parameters: ReadonlyArray<string>, stop: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: ["ignore", "inherit", "inherit"], signal: stop })
    child.once("error", reject)
    child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ${parameters.join(" ")}: exit code ${code}`)),
    )
  })

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as turn } from "node:timers/promises"
import { buildWorld, type Sandbox, type SandboxOptions, startSandbox } from "@cscs/sandbox"
import { inject, onTestFinished } from "vitest"

const main = inject("main")

/** Node compiles it once, not anew in each process. */
const compileCache = join(tmpdir(), "storage-proxy-tests-compile-cache")

/** A sandbox with twenty valid resources that ends with the test. */
export const aSandbox = async (options: SandboxOptions = {}): Promise<Sandbox> => {
  const sandbox = await startSandbox({ world: buildWorld({ edgeCases: false, resources: 20 }), ...options })
  onTestFinished(() => sandbox.close())
  return sandbox
}

export const aDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "storage-proxy-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

/** A configuration for the sandbox as environment variables. */
export const environmentOf = ({ waldur, hpcUserApi }: Sandbox): Record<string, string> => ({
  WALDUR_API_URL: waldur.url,
  WALDUR_API_TOKEN: waldur.token,
  STORAGE_SYSTEMS: '{"capstor":"capstor","vast":"vast","iopsstor":"iopsstor"}',
  DISABLE_AUTH: "true",
  HPC_USER_API_URL: hpcUserApi.url,
  HPC_USER_CLIENT_ID: hpcUserApi.clientId,
  HPC_USER_CLIENT_SECRET: hpcUserApi.clientSecret,
  HPC_USER_OIDC_TOKEN_URL: hpcUserApi.tokenUrl,
})

/** A configuration file for the sandbox; `more` is laid over it. Returns its path. */
export const aFile = async (sandbox: Sandbox, more: object = {}): Promise<string> => {
  const path = join(await aDirectory(), "config.yaml")
  const { waldur, hpcUserApi } = sandbox
  const document = {
    waldur_api_url: waldur.url,
    waldur_api_token: waldur.token,
    storage_systems: { capstor: "capstor", vast: "vast", iopsstor: "iopsstor" },
    hpc_user_api: {
      api_url: hpcUserApi.url,
      client_id: hpcUserApi.clientId,
      client_secret: hpcUserApi.clientSecret,
      oidc_token_url: hpcUserApi.tokenUrl,
    },
    auth: { disable_auth: true },
    ...more,
  }
  await writeFile(path, JSON.stringify(document))
  return path
}

export interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

/** The real executable, bundled. It ends with the test. */
export const run = async (
  args: ReadonlyArray<string>,
  options: { readonly environment?: Record<string, string>; readonly directory?: string } = {},
): Promise<Running> => {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.directory ?? (await aDirectory()),
    // Nothing of this process's own environment: it may hold variables of the proxy.
    env: { PATH: process.env.PATH ?? "", NO_COLOR: "1", NODE_COMPILE_CACHE: compileCache, ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text
  })
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text
  })
  // "close", not "exit": only then has all output been read.
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string)
  onTestFinished(async () => {
    child.kill("SIGKILL")
    await ended
  })
  return { child, stdout: () => stdout, stderr: () => stderr, ended }
}

/** Runs it to its end. */
export const finished = async (...given: Parameters<typeof run>) => {
  const running = await run(...given)
  const code = await running.ended
  return { code, stdout: running.stdout(), stderr: running.stderr(), output: running.stdout() + running.stderr() }
}

/** Starts `serve` at a free port; resolves when it listens. */
export const serving = async (
  args: ReadonlyArray<string>,
  options: Parameters<typeof run>[1] = {},
): Promise<Running & { readonly url: string }> => {
  const running = await run(["serve", "--port", "0", ...args], options)
  const address = /Serving at (http:\/\/[^\s"]+)/
  await until(() => address.test(running.stderr()) || running.child.exitCode !== null)
  const [, url] = address.exec(running.stderr()) ?? []
  if (url === undefined) throw new Error(`it does not serve: ${running.stderr()}`)
  return { ...running, url }
}

/** Resolves when the condition holds; the test's own deadline is the only other end. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await turn(5)
}

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as harness from "@cscs/harness"
import {
  type ProxyOptions,
  type RunningProxy,
  type SpawnedProxy,
  sandboxEnvironment,
  spawnProxy,
  startProxy,
} from "@cscs/harness"
import { buildWorld, type Sandbox, type SandboxOptions, startSandbox } from "@cscs/sandbox"
import { inject, onTestFinished } from "vitest"

const main = inject("main")

/** Node's compile cache, so that not every process compiles it again. */
export const compileCache = join(tmpdir(), "storage-proxy-tests-compile-cache")

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

/** A configuration for the sandbox as environment variables, without authentication. */
export const environmentOf = (sandbox: Sandbox): Record<string, string> => sandboxEnvironment(sandbox)

/** The same with a staff token, which sees the offerings of all providers. */
export const staffEnvironmentOf = (sandbox: Sandbox): Record<string, string> => ({
  ...environmentOf(sandbox),
  WALDUR_API_TOKEN: sandbox.waldur.tokens.staff,
})

/** A configuration file for the sandbox, overridden by `more`. Returns its path. */
export const aFile = async (sandbox: Sandbox, more: object = {}): Promise<string> => {
  const path = join(await aDirectory(), "config.yaml")
  await writeFile(path, documentOf(sandbox, more))
  return path
}

/** The text of a configuration file for the sandbox, overridden by `more`: JSON, which is valid YAML. */
export const documentOf = ({ waldur, hpcUserApi }: Sandbox, more: object = {}): string =>
  JSON.stringify({
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
  })

export type Running = SpawnedProxy

interface Options {
  readonly environment?: Record<string, string>
  readonly directory?: string
}

const processOptions = async (
  args: ReadonlyArray<string>,
  { environment, directory }: Options,
): Promise<ProxyOptions> => ({
  main,
  args,
  directory: directory ?? (await aDirectory()),
  environment: {
    NO_COLOR: "1",
    NODE_COMPILE_CACHE: compileCache,
    // The harness disables the cache otherwise.
    NODE_DISABLE_COMPILE_CACHE: undefined,
    ...environment,
  },
})

/** The real, bundled executable. It ends with the test. */
export const run = async (args: ReadonlyArray<string>, options: Options = {}): Promise<Running> => {
  const running = spawnProxy(await processOptions(args, options))
  onTestFinished(async () => void (await running.stop("SIGKILL")))
  return running
}

/** Runs it to completion. */
export const finished = async (...given: Parameters<typeof run>) => {
  const running = await run(...given)
  const code = await running.ended
  return { code, stdout: running.stdout(), stderr: running.stderr(), output: running.stdout() + running.stderr() }
}

/** Starts `serve` at a free port; resolves once it listens. */
export const serving = async (args: ReadonlyArray<string>, options: Options = {}): Promise<RunningProxy> => {
  const running = await startProxy(await processOptions(args, options))
  onTestFinished(async () => void (await running.stop("SIGKILL")))
  return running
}

/** Resolves once the condition holds. Only the test's own timeout limits the wait. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  await harness.until("the condition", holds)
}

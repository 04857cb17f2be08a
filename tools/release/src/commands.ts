import { execFile } from "node:child_process"
import { delimiter, dirname } from "node:path"
import { promisify } from "node:util"

const execute = promisify(execFile)

/** A process's variables. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * This process's variables without what belongs to this workspace (`pnpm run` sets npm_*, and node_modules on the PATH) and
 * without whatever could publish to a real registry.
 */
export const cleanEnvironment: Environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(npm_|pnpm_|turbo_|node_(?!extra_ca_certs$|use_system_ca$)|init_cwd$|actions_id_token|.*_token$|.*_otp$)/i.test(
          name,
        ),
    ),
  ),
  PATH: (process.env.PATH ?? "")
    .split(delimiter)
    .filter((place) => !place.includes("node_modules"))
    .join(delimiter),
  CI: "true",
  NO_COLOR: "1",
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
}

/** The same environment with these places before all others on the PATH. */
export const withPath = (environment: Environment, ...places: ReadonlyArray<string>): Environment => ({
  ...environment,
  PATH: [...places, environment.PATH].join(delimiter),
})

/** So that `node`, and whatever is started by it, is this one. */
export const withNode = (environment: Environment, node: string): Environment => withPath(environment, dirname(node))

/** Aborted when the rehearsal is broken off: nothing that it started may live on. */
export const ending = new AbortController()

/** Runs a command to its end and gives what it said. Fails with its words where its exit code is not 0. */
export const run = async (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd: string; readonly env: Environment },
): Promise<string> => {
  const { cwd, env } = options
  try {
    const { stdout } = await execute(command, args, {
      cwd,
      env,
      signal: ending.signal,
      maxBuffer: 64 * 1024 * 1024,
      timeout: 300_000,
    })
    return stdout
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as { stdout?: string; stderr?: string; message: string }
    const words = `${stdout}${stderr}`.trim().slice(-4000)
    throw new Error(`${command} ${args.join(" ")}\n${words === "" ? message : words}`)
  }
}

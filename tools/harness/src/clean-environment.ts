/** Environments for commands that must not depend on this workspace. */
import { delimiter } from "node:path"
import type { Environment } from "./run.ts"

const notPassedOn =
  /^(npm_|pnpm_|turbo_|node_(?!extra_ca_certs$|use_system_ca$)|init_cwd$|actions_id_token|.*_token$|.*_otp$)/i

/**
 * This process's variables, without what `pnpm run` and turbo set (npm_*, node_modules on the PATH), without Node's options
 * other than those for certificates, which a proxy may need, and without any token that could publish to a real registry.
 */
export const cleanEnvironment: Environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !notPassedOn.test(name))),
  PATH: (process.env.PATH ?? "")
    .split(delimiter)
    .filter((place) => !place.includes("node_modules"))
    .join(delimiter),
  CI: "true",
  NO_COLOR: "1",
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
}

/** The same environment with these folders first on the PATH. */
export const withPath = (environment: Environment, ...places: ReadonlyArray<string>): Environment => ({
  ...environment,
  PATH: [...places, environment.PATH].join(delimiter),
})

import { spawn } from "node:child_process"
import { once } from "node:events"
import { setTimeout as wait } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { Sandbox } from "@cscs/sandbox"
import { sandboxEnvironment } from "./sandbox-environment.ts"

const workspace = fileURLToPath(new URL("../../..", import.meta.url))

/** Where it is served, until `stop`. */
export interface StartedProxy {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** The real process over the sandbox, ready, with or without authentication. */
export const startProxy = async (sandbox: Sandbox, authentication: boolean): Promise<StartedProxy> => {
  const { issuer } = sandbox
  const child = spawn(process.execPath, ["apps/storage-proxy/src/main.ts", "serve", "--port", "0"], {
    cwd: workspace,
    // By the environment alone: whatever this shell has set does not count.
    env: {
      PATH: process.env.PATH,
      ...sandboxEnvironment(sandbox),
      ...(authentication
        ? {
            DISABLE_AUTH: "false",
            CSCS_KEYCLOAK_URL: issuer.baseUrl,
            CSCS_KEYCLOAK_REALM: issuer.realm,
            CSCS_KEYCLOAK_CLIENT_ID: issuer.audience.clientId,
          }
        : {}),
    },
    stdio: ["ignore", "ignore", "pipe"],
  })
  const ended = once(child, "close")
  let log = ""
  child.stderr.setEncoding("utf8").on("data", (words: string) => {
    log += words
  })
  const stop = async () => {
    child.kill("SIGTERM")
    await ended
  }
  for (const end = Date.now() + 120_000; Date.now() < end && child.exitCode === null; await wait(50)) {
    const [, url] = /Serving at (http:\/\/[^\s"]+)/.exec(log) ?? []
    if (url === undefined) continue
    const ready = await fetch(`${url}/healthz/ready`)
    await ready.body?.cancel()
    if (ready.ok) return { url, stop }
  }
  await stop()
  throw new Error(`The proxy was not ready within two minutes. Its log ends:\n${log.slice(-3000)}`)
}

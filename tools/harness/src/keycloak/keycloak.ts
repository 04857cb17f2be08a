/**
 * A real Keycloak on a free loopback port, for tests and experiments. It imports the realms of `realms/` and loses all
 * other state when it stops: after a restart it has new signing keys and no sessions.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { copyFile, mkdir, readdir, rename } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { freePort } from "../free-port.ts"
import { end, hasEnded, watch } from "../processes.ts"
import { run } from "../run.ts"
import { until } from "../until.ts"
import { keycloakAdmin } from "./keycloak-admin.ts"
import { installKeycloak, keycloakEnvironment } from "./keycloak-distribution.ts"
import { realmNames } from "./realms.ts"

const host = "127.0.0.1"
const startsWithin = 300_000
const stopsWithin = 20_000

/** Credentials for the admin console and its API, on loopback only. */
export const administrator = { username: "admin", password: "admin" } as const

/** For a small memory and a quick start. The default's garbage collector cannot be overridden, so all of it is replaced. */
const javaOptions = "-Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"

export type Keycloak = Awaited<ReturnType<typeof startKeycloak>>

/** Installs Keycloak if needed, and starts it. The caller must stop it; if the calling process dies, Keycloak ends too. */
export const startKeycloak = async (fixedPort = 0) => {
  const home = await installKeycloak()
  await placeRealms(join(home, "data"))
  const port = await freePort(fixedPort)
  const url = `http://${host}:${port}`
  let running: ChildProcess | undefined

  /** Does nothing if Keycloak is stopped. */
  const stop = async (): Promise<void> => {
    const child = running
    running = undefined
    if (child === undefined) return
    await end(child, stopsWithin)
    // Ends the watcher if it is the only process left.
    child.stdin?.destroy()
  }
  /** Starts Keycloak again on the same port. */
  const start = async (): Promise<void> => {
    if (running !== undefined) return
    // Keycloak itself detects a port in use only at the end of its start.
    await freePort(port)
    running = spawnKeycloak(home, port, url)
    try {
      await untilReady(running, url)
    } catch (error) {
      await stop()
      throw error
    }
  }
  await start()
  /**
   * Runs a bash script in `directory`, which is also its home directory, with `kcadm.sh` on the PATH and the
   * administrator's password; returns its standard output.
   */
  const runScript = (script: string, directory: string) =>
    run("bash", ["-e", "-o", "pipefail", "-c", script], {
      cwd: directory,
      env: keycloakEnvironment({
        PATH: [join(home, "bin"), process.env.PATH].join(delimiter),
        HOME: directory,
        KC_CLI_PASSWORD: administrator.password,
        // By default Java uses the home directory of the user database, in which concurrent runs would share kcadm.sh's login.
        KC_OPTS: `-Duser.home=${directory} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC`,
      }),
    })
  const realmUrl = `${url}/realms/cscs`
  return { url, realmUrl, admin: keycloakAdmin(url, administrator), runScript, start, stop }
}

/** Replaces files atomically, because another Keycloak may be reading them while it starts. */
const placeRealms = async (data: string): Promise<void> => {
  const [source, target] = [join(import.meta.dirname, "realms"), join(data, "import")]
  await mkdir(target, { recursive: true })
  for (const name of await readdir(source)) {
    const unfinished = join(data, `${name}.${process.pid}`)
    await copyFile(join(source, name), unfinished)
    await rename(unfinished, join(target, name))
  }
}

/**
 * Runs Keycloak in its own process group, with a watcher that ends the group when our end of its standard input closes:
 * nothing keeps running, even if a test runner is killed.
 */
const spawnKeycloak = (home: string, port: number, url: string): ChildProcess => {
  const watched = 'exec 3<&0; (cat <&3; kill -KILL 0) >/dev/null 2>&1 & exec "$@" </dev/null 3<&-'
  const address = ["--http-enabled=true", `--http-host=${host}`, `--http-port=${port}`, `--hostname=${url}`]
  const options = ["start", "--optimized", "--import-realm", "--cache=local", ...address]
  const env = keycloakEnvironment({
    JAVA_OPTS: javaOptions,
    KC_BOOTSTRAP_ADMIN_USERNAME: administrator.username,
    KC_BOOTSTRAP_ADMIN_PASSWORD: administrator.password,
  })
  const words = ["-c", watched, "sh", join(home, "bin", "kc.sh"), ...options]
  return watch(spawn("sh", words, { detached: true, env }), "group")
}

const untilReady = async (child: ChildProcess, url: string): Promise<void> => {
  let log = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-20_000)
    })
  }
  const isServed = async (realm: string): Promise<boolean> => {
    if (hasEnded(child)) throw new Error("Keycloak ended while it started")
    const response = await fetch(`${url}/realms/${realm}/.well-known/openid-configuration`).catch(() => undefined)
    await response?.arrayBuffer()
    return response?.ok === true
  }
  const areServed = async () => (await Promise.all(realmNames.map(isServed))).every((ok) => ok)
  await until("Keycloak is ready", areServed, startsWithin).catch((error: Error) => {
    throw new Error(`${error.message}\n${log}`)
  })
}

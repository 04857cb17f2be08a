import { spawn } from "node:child_process"
import { openSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { cleanEnvironment, end, freePort, hasEnded, until, watch } from "@cscs/harness"
import { verdaccio } from "./cached-tools.ts"

/** A registry on loopback that has only the packages published to it. */
export interface Registry {
  /** Without a trailing slash. */
  readonly url: string
  /** The .npmrc lines that route only our packages to and from this registry. */
  readonly npmrc: string
  /** The metadata of a package; `undefined` if it was never published. */
  readonly packument: (name: string) => Promise<Packument | undefined>
}

export interface Packument {
  readonly "dist-tags": { readonly latest: string }
  readonly versions: Readonly<Record<string, PublishedManifest>>
}

interface PublishedManifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly dist: { readonly tarball: string; readonly integrity: string }
}

/** Starts Verdaccio with an empty storage in a folder of its own. */
export const startRegistry = async (folder: string): Promise<Registry> => {
  const script = await verdaccio()
  await mkdir(folder)
  const everybody = { access: "$all", publish: "$all", unpublish: "$all" }
  const config = {
    storage: join(folder, "storage"),
    auth: { htpasswd: { file: join(folder, "htpasswd"), max_users: -1 } },
    // No uplink: only what is published here is available.
    uplinks: {},
    packages: { "@cscs/*": everybody },
    web: { enable: false },
    log: { type: "stdout", format: "pretty", level: "warn" },
  }
  // JSON is YAML too.
  await writeFile(join(folder, "config.yaml"), JSON.stringify(config))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const logFile = join(folder, "log")
  const log = openSync(logFile, "w")
  const child = watch(
    spawn(process.execPath, [script, "--config", join(folder, "config.yaml"), "--listen", `127.0.0.1:${port}`], {
      cwd: folder,
      env: cleanEnvironment,
      stdio: ["ignore", log, log],
    }),
  )
  const responds = async () => {
    if (hasEnded(child)) throw new Error("it ended")
    const response = await fetch(`${url}/-/ping`).catch(() => undefined)
    await response?.body?.cancel()
    return response?.ok
  }
  await until("Verdaccio responds", responds, 120_000).catch(async (error) => {
    await end(child)
    throw new Error(`${error.message}. Its log ends:\n${(await readFile(logFile, "utf8")).slice(-3000)}`)
  })
  return {
    url,
    // A client does not publish without a token, even if the registry needs none.
    npmrc: `@cscs:registry=${url}/\n//127.0.0.1:${port}/:_authToken=of-the-rehearsal\n`,
    packument: async (name) => {
      const answer = await fetch(`${url}/${name.replace("/", "%2f")}`)
      if (answer.status === 404) return undefined
      if (!answer.ok) throw new Error(`${answer.url} returned ${answer.status}: ${await answer.text()}`)
      return (await answer.json()) as Packument
    },
  }
}

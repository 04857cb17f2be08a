/** An npm registry on loopback. */
import { once } from "node:events"
import { mkdir, writeFile } from "node:fs/promises"
import type { AddressInfo, Server } from "node:net"
import { join } from "node:path"
import { verdaccio } from "./cached-tools.ts"

export type Registry = Awaited<ReturnType<typeof startRegistry>>

/** The newest version of a package. */
export interface Release {
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly dist: { readonly tarball: string }
}

/**
 * Starts Verdaccio in this process, with an empty storage in `folder`: a registry on loopback that contains only the
 * packages published to it.
 */
export const startRegistry = async (folder: string) => {
  const { runServer } = (await import(await verdaccio())) as { runServer: (config: string) => Promise<Server> }
  await mkdir(folder)
  const allowAll = { access: "$all", publish: "$all", unpublish: "$all" }
  const config = {
    storage: join(folder, "storage"),
    auth: { htpasswd: { file: join(folder, "htpasswd"), max_users: -1 } },
    // No uplink: only packages published here are available.
    uplinks: {},
    packages: { "@cscs/*": allowAll },
    web: { enable: false },
    log: { type: "stdout", format: "pretty", level: "error" },
  }
  // JSON is YAML too.
  await writeFile(join(folder, "config.yaml"), JSON.stringify(config))
  const server = (await runServer(join(folder, "config.yaml"))).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return {
    /** Without a trailing slash. */
    url,
    /**
     * The .npmrc lines that route only our packages to and from this registry. A client does not publish without a
     * token, even if the registry needs none.
     */
    npmrc: `@cscs:registry=${url}/\n//127.0.0.1:${port}/:_authToken=of-the-rehearsal\n`,
    newest: async (name: string): Promise<Release> => {
      const response = await fetch(`${url}/${name.replace("/", "%2f")}/latest`)
      if (!response.ok) throw new Error(`${response.url} returned ${response.status}: ${await response.text()}`)
      return (await response.json()) as Release
    },
  }
}

import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Environment, startProxy } from "@cscs/harness"
import { addToNpmrc } from "./copied-repository.ts"

/**
 * `npx @cscs/storage-proxy serve` in an empty folder, as somebody who tries it does: waits until it is ready, asks for its
 * list, and ends it as Ctrl+C would.
 *
 * @param environment the configuration too: the proxy reads it from the environment
 * @returns what was seen, for people
 */
export const proxyByNpx = async (folder: string, npmrc: string, environment: Environment): Promise<string> => {
  await mkdir(folder)
  // Else npm takes whatever project may lie above the temporary directory for this one.
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }))
  await addToNpmrc(folder, npmrc)
  // Of its own, so that no earlier rehearsal's package stands in for this one's.
  const cache = join(folder, "npm-cache")
  const running = await startProxy({
    command: ["npx", "--yes", "@cscs/storage-proxy"],
    directory: folder,
    environment: { ...environment, npm_config_cache: cache, npm_config_update_notifier: "false" },
    // A terminal's Ctrl+C goes to npx and to what it started.
    hasGroup: true,
    isReady: true,
  })
  try {
    const list = await fetch(`${running.url}/api/storage-resources/`)
    const { pagination } = (await list.json()) as { readonly pagination?: { readonly total: number } }
    if (list.status !== 200 || pagination === undefined || pagination.total === 0) {
      throw new Error(`the list is ${list.status}, with ${pagination?.total} entries\n${running.stderr().slice(-3000)}`)
    }
    const ended = await running.stop("SIGINT")
    if (ended === "SIGKILL") throw new Error("it lives on after SIGINT")
    return `ready, ${pagination.total} entries, gone after SIGINT`
  } finally {
    running.signal("SIGKILL")
  }
}

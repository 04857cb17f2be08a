import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Environment, startProxy } from "@cscs/harness"
import { addToNpmrc } from "./copied-repository.ts"

/**
 * `npx @cscs/storage-proxy serve` in an empty folder, as a new user runs it: waits until it is ready, requests its
 * list, and ends it like Ctrl+C.
 *
 * @param environment includes the configuration, which the proxy reads from it
 * @returns a summary
 */
export const proxyByNpx = async (folder: string, npmrc: string, environment: Environment): Promise<string> => {
  await mkdir(folder)
  // Otherwise npm uses any project above the temporary directory.
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }))
  await addToNpmrc(folder, npmrc)
  // A separate cache, so that no earlier rehearsal's package is used.
  const cache = join(folder, "npm-cache")
  const running = await startProxy({
    command: ["npx", "--yes", "@cscs/storage-proxy"],
    directory: folder,
    environment: { ...environment, npm_config_cache: cache, npm_config_update_notifier: "false" },
    // A terminal's Ctrl+C goes to npx and to its children.
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
    if (ended === "SIGKILL") throw new Error("it still runs after SIGINT")
    return `ready, ${pagination.total} entries, gone after SIGINT`
  } finally {
    running.signal("SIGKILL")
  }
}

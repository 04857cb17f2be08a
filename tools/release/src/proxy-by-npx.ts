import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import { type Environment, ending } from "./commands.ts"
import { addToNpmrc } from "./copied-repository.ts"

/**
 * `npx @cscs/storage-proxy serve` in a folder where nothing is, as somebody who tries it does. Asks it for its readiness and
 * its list, and ends it as Ctrl+C would.
 *
 * @param env the configuration too: the proxy reads it from the environment
 * @returns what was seen, for people
 */
export const proxyByNpx = async (folder: string, npmrc: string, env: Environment): Promise<string> => {
  await mkdir(folder)
  // Else npm takes whatever project may lie above the temporary directory for this one.
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }))
  await addToNpmrc(folder, npmrc)
  // Of its own, so that no earlier rehearsal's package stands in for this one's.
  const cache = join(folder, "npm-cache")
  const child = spawn("npx", ["--yes", "@cscs/storage-proxy", "serve", "--port", "0"], {
    cwd: folder,
    env: { ...env, npm_config_cache: cache, npm_config_update_notifier: "false" },
    stdio: ["ignore", "ignore", "pipe"],
    // A process group of its own, for a terminal's Ctrl+C goes to the whole of it.
    detached: true,
  })
  const signal = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name)
    } catch {
      // It is gone.
    }
  }
  const kill = () => signal("SIGKILL")
  ending.signal.addEventListener("abort", kill)
  let log = ""
  child.stderr.setEncoding("utf8").on("data", (words: string) => {
    log += words
  })
  const ended = once(child, "close")
  try {
    const end = Date.now() + 120_000
    const until = async <A>(what: string, ask: () => Promise<A | undefined>): Promise<A> => {
      for (; Date.now() < end && child.exitCode === null; await wait(100)) {
        const answer = await ask()
        if (answer !== undefined) return answer
      }
      throw new Error(`npx @cscs/storage-proxy serve: no ${what}`)
    }
    const origin = await until("address", async () => /Serving at (http:\/\/[^\s"]+)/.exec(log)?.[1])
    await until("readiness", async () => {
      const ready = await fetch(`${origin}/healthz/ready`)
      await ready.body?.cancel()
      return ready.ok ? true : undefined
    })
    const list = await fetch(`${origin}/api/storage-resources/`)
    const { pagination } = (await list.json()) as { readonly pagination?: { readonly total: number } }
    if (list.status !== 200 || pagination === undefined || pagination.total === 0) {
      throw new Error(`npx @cscs/storage-proxy serve: the list is ${list.status}, with ${pagination?.total} entries`)
    }
    signal("SIGINT")
    const gone = await Promise.race([ended.then(() => true), wait(60_000).then(() => false)])
    if (!gone) throw new Error("npx @cscs/storage-proxy serve lives on after SIGINT")
    return `ready, ${pagination.total} entries, gone after SIGINT`
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${log.slice(-3000)}`)
  } finally {
    ending.signal.removeEventListener("abort", kill)
    kill()
  }
}

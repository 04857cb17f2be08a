import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { chown, copyFile, mkdir, readdir, writeFile } from "node:fs/promises"
import { setTimeout as wait } from "node:timers/promises"
import { promisify } from "node:util"
import { environmentOf, stagesOf, wordsOf } from "@cscs/harness"
import { startSandbox } from "@cscs/sandbox"

const run = promisify(execFile)

/** As the image runs it. */
const UID = 10001

const must = (holds: boolean, otherwise: string): void => {
  if (!holds) throw new Error(otherwise)
}

const until = async <A>(
  what: string,
  seconds: number,
  ask: () => Promise<A | undefined> | A | undefined,
): Promise<A> => {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await wait(50)) {
    const answer = await ask()
    if (answer !== undefined) return answer
  }
  throw new Error(`${what}: not within ${seconds} seconds`)
}

/**
 * Starts the folder as the image does: entry point, command and health check are the Dockerfile's, secrets come as files,
 * and the user is nobody in particular. In place of the read-only root there is Node's permission model: the process may
 * read its own folder, its configuration and its secrets, write below its state directory, and start nothing.
 *
 * @param app the folder that the image would hold as /app
 * @param scratch a directory for the rest, which everybody may enter
 * @param config a text for config.yaml; the sandbox's addresses are laid over it
 * @returns what was seen, for people, and the names of the metrics, where there are any
 */
export const startApp = async (workspace: string, app: string, scratch: string, config: string) => {
  const [, stage = []] = await stagesOf(`${workspace}/deploy/Dockerfile`)
  const [, ...entryPoint] = wordsOf(stage, "ENTRYPOINT").map((word) => word.replace(/^\/app\//, `${app}/`))
  const [command = "", ...flags] = wordsOf(stage, "CMD").map((word) => word.replace(/^0\.0\.0\.0$/, "127.0.0.1"))
  const [, ...healthCheck] = wordsOf(stage, "HEALTHCHECK")

  const { etc, state, node } = { etc: `${scratch}/etc`, state: `${scratch}/state`, node: `${scratch}/node` }
  for (const directory of [etc, state]) await mkdir(directory)
  // The workspace's own node can lie where only root may go.
  await copyFile(process.execPath, node)
  const user = process.getuid?.() === 0 ? { uid: UID, gid: UID } : {}
  if (user.uid !== undefined) await chown(state, UID, UID)

  const sandbox = await startSandbox()
  const { waldur, hpcUserApi } = sandbox
  await writeFile(`${etc}/config.yaml`, config)
  await writeFile(`${etc}/waldur-api-token`, waldur.token)
  await writeFile(`${etc}/hpc-user-client-secret`, hpcUserApi.clientSecret)

  let child: ChildProcess | undefined
  let log = ""
  try {
    child = spawn(
      node,
      [
        "--permission",
        ...[`${app}/`, `${etc}/`, `${state}/`].map((directory) => `--allow-fs-read=${directory}*`),
        `--allow-fs-write=${state}/*`,
        ...entryPoint,
        command,
        "--config",
        `${etc}/config.yaml`,
        ...flags.map((word, index) => (flags[index - 1] === "--port" ? "0" : word)),
      ],
      {
        ...user,
        cwd: state,
        env: {
          ...environmentOf(stage),
          WALDUR_API_URL: waldur.url,
          WALDUR_API_TOKEN_FILE: `${etc}/waldur-api-token`,
          HPC_USER_API_URL: hpcUserApi.url,
          HPC_USER_CLIENT_ID: hpcUserApi.clientId,
          HPC_USER_CLIENT_SECRET_FILE: `${etc}/hpc-user-client-secret`,
          HPC_USER_OIDC_TOKEN_URL: hpcUserApi.tokenUrl,
          CACHE_PATH: `${state}/snapshot`,
          DISABLE_AUTH: "true",
        },
        stdio: ["ignore", "ignore", "pipe"],
      },
    )
    const running = child
    running.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log += text
    })
    const ended = once(running, "close")
    // Where it cannot be started at all, the wait for its start ends too.
    let impossible: Error | undefined
    ended.catch((error) => {
      impossible = error
    })
    const origin = await until("start", 120, () => {
      if (impossible !== undefined) throw impossible
      must(running.exitCode === null, `it ended with exit code ${running.exitCode}`)
      return /Serving at (http:\/\/[^\s"]+)/.exec(log)?.[1]
    })
    const get = async (path: string) => {
      const response = await fetch(origin + path)
      return { status: response.status, text: await response.text() }
    }
    await until("readiness", 120, async () => ((await get("/healthz/ready")).status === 200 ? true : undefined))
    const list = await get("/api/storage-resources/")
    must(list.status === 200, `the list is ${list.status}`)
    const { total } = JSON.parse(list.text).pagination
    must(total > 0, "the list is empty")
    for (const path of ["/openapi.json", "/docs/"]) must((await get(path)).status === 200, `${path} is not answered`)
    await run(
      node,
      healthCheck.map((word) => word.replace("http://127.0.0.1:8080", origin)),
      user,
    )
    const metrics = await get("/metrics")
    const unknown = log.match(/the key \S+ is unknown/g) ?? []
    must(unknown.length === 0, `of the chart's config.yaml ${unknown.join(", ")}`)

    running.kill("SIGTERM")
    const [code, signal] = await Promise.race([ended, wait(60_000).then(() => [null, "nothing, and lived on"])])
    must(code === 0, `after SIGTERM it ended with ${code ?? signal}`)
    const written = await readdir(state)
    must(written.join() === "snapshot", `in place of cache.path alone it wrote ${written.join(", ") || "nothing"}`)
    return {
      seen: `${total} entries, health check passed, exit code 0 after SIGTERM, the snapshot kept`,
      metrics: metrics.status === 200 ? new Set(metrics.text.match(/(?<=^# TYPE )\S+/gm)) : undefined,
    }
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${log.slice(-3000)}`)
  } finally {
    child?.kill("SIGKILL")
    await sandbox.close()
  }
}

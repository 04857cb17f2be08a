/** Starts the proxy from the image's folder, and checks how it behaves. */
import assert from "node:assert"
import { chown, copyFile, mkdir, readdir, writeFile } from "node:fs/promises"
import { imageEnvironment, parseLogLine, type RunningProxy, run, stagesOf, startProxy, wordsOf } from "@cscs/harness"
import { startSandbox } from "@cscs/sandbox"

/** The image's user. */
const UID = 10001

/**
 * Starts the folder as the image does: with the Dockerfile's entry point, command and health check, secrets as files,
 * and an arbitrary user. Node's permission model replaces the read-only root: the process may read its own folder, its
 * configuration and its secrets, write below its state directory, and start nothing.
 *
 * @param app the folder that the image would contain as /app
 * @param scratch a directory for everything else, accessible to every user
 * @param config the content of config.yaml, which variables override with the sandbox's addresses
 * @param test the command of `helm test`, without the readiness URL
 * @returns a summary, and the names of the metrics
 */
export const startApp = async (app: string, scratch: string, config: string, test: ReadonlyArray<string>) => {
  const [, stage = []] = await stagesOf()
  const entryPoint = wordsOf(stage, "ENTRYPOINT").map((word) => word.replace(/^\/app\//, `${app}/`))
  const [command = "", ...flags] = wordsOf(stage, "CMD").map((word) => word.replace(/^(0\.0\.0\.0|::)$/, "127.0.0.1"))
  assert(command === "serve", `the image's command is ${command}`)
  const withoutPort = flags.filter((flag, at) => ![flag, flags[at - 1]].includes("--port"))
  const [, ...healthCheck] = wordsOf(stage, "HEALTHCHECK")

  const [etc, state, node] = [`${scratch}/etc`, `${scratch}/state`, `${scratch}/node`]
  for (const directory of [etc, state]) await mkdir(directory)
  // The workspace's Node may be in a folder that only root can access.
  await copyFile(process.execPath, node)
  const user = process.getuid?.() === 0 ? { uid: UID, gid: UID } : {}
  if (user.uid !== undefined) await chown(state, UID, UID)

  const sandbox = await startSandbox()
  const { waldur, hpcUserApi } = sandbox
  await writeFile(`${etc}/config.yaml`, config)
  await writeFile(`${etc}/waldur-api-token`, waldur.token)
  await writeFile(`${etc}/hpc-user-client-secret`, hpcUserApi.clientSecret)

  const mayRead = [app, etc, state].map((directory) => `--allow-fs-read=${directory}/*`)
  let running: RunningProxy | undefined
  try {
    running = await startProxy({
      command: [node, "--permission", ...mayRead, `--allow-fs-write=${state}/*`, ...entryPoint],
      args: ["--config", `${etc}/config.yaml`, ...withoutPort],
      user,
      directory: state,
      environment: {
        ...(await imageEnvironment()),
        WALDUR_API_URL: waldur.url,
        WALDUR_API_TOKEN_FILE: `${etc}/waldur-api-token`,
        HPC_USER_API_URL: hpcUserApi.url,
        HPC_USER_CLIENT_ID: hpcUserApi.clientId,
        HPC_USER_CLIENT_SECRET_FILE: `${etc}/hpc-user-client-secret`,
        HPC_USER_OIDC_TOKEN_URL: hpcUserApi.tokenUrl,
        CACHE_PATH: `${state}/snapshot`,
        DISABLE_AUTH: "true",
      },
      isReady: true,
    })
    const { url } = running
    const get = async (path: string) => {
      const response = await fetch(url + path)
      assert(response.status === 200, `${path} returned ${response.status}`)
      return response.text()
    }
    const { total } = JSON.parse(await get("/api/storage-resources/")).pagination
    assert(total > 0, "the list is empty")
    for (const path of ["/openapi.json", "/docs/"]) await get(path)
    const checkCommand = healthCheck.map((word) => word.replace("http://localhost:8080", url))
    await run(node, checkCommand, user)
    const [interpreter, ...testArgs] = test
    assert(interpreter === "node", `helm test runs ${interpreter}`)
    await run(node, [...testArgs, `${url}/healthz/ready`], user)
    const accepted = await run(node, [...testArgs, `${url}/nothing`], user).catch(() => undefined)
    assert(accepted === undefined, "helm test accepts a 404")
    const metrics = await get("/metrics")
    const lines = running.stderr().split("\n").map(parseLogLine)
    const { annotations } = lines.find((line) => line?.event === "configuration") ?? {}
    assert(annotations !== undefined, "the configuration is not logged")
    assert(annotations?.ignored_keys === undefined, `config.yaml has unknown keys: ${annotations?.ignored_keys}`)

    const code = await running.stop()
    assert(code === 0, `after SIGTERM it ended with ${code}`)
    const written = await readdir(state)
    assert(written.join() === "snapshot", `it wrote ${written.join(", ") || "nothing"} instead of cache.path alone`)
    return {
      seen: `${total} entries, health check passed, exit code 0 after SIGTERM, the snapshot kept`,
      metrics: new Set<string>(metrics.match(/(?<=^# TYPE )\S+/gm)),
    }
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${running?.stderr().slice(-3000) ?? ""}`)
  } finally {
    running?.signal("SIGKILL")
    await sandbox.close()
  }
}

import { once } from "node:events"
import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises"
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import type { Sandbox } from "@cscs/sandbox"
import { describe, expect, onTestFinished, test } from "vitest"
import {
  aDirectory,
  aFile,
  aSandbox,
  documentOf,
  environmentOf,
  finished,
  type Running,
  run,
  serving,
  until,
} from "./a-process.ts"

const list = "/api/storage-resources/"
const newToken = "d1ce5ec2e7d1ce5ec2e7d1ce5ec2e7d1ce5ec2e7"
const newSecret = "a-new-Client-Secret-7f3a9c2e51"

/** From now on the sandbox's Waldur accepts only another token. */
const rotateToken = ({ waldur, world }: Sandbox, to: string) => {
  const user = world.tokens.get(waldur.token)
  if (user === undefined) throw new Error("the sandbox knows no such token")
  world.tokens.delete(waldur.token)
  world.tokens.set(to, user)
}

interface Readiness {
  readonly status: string
  readonly warnings: ReadonlyArray<string>
  readonly upstreams: Readonly<Record<string, { readonly status: string }>>
}
const readinessOf = async (url: string) => (await (await fetch(`${url}/healthz/ready`)).json()) as Readiness

interface Line {
  readonly level: string
  readonly [field: string]: unknown
}
const linesOf = ({ stderr }: Pick<Running, "stderr">, event: string): ReadonlyArray<Line> =>
  stderr()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line.event === event)
/** The re-reads that found other secrets, or the same ones. */
const rereads = (running: Pick<Running, "stderr">, found: "changes" | "no change") =>
  linesOf(running, "secrets-reread").filter(({ changed }) => (changed !== "") === (found === "changes"))

const isListServed = async (url: string) => (await fetch(url + list)).status === 200
/** Each request reads Waldur. */
const alwaysReads = { CACHE_FRESH_FOR: "0s" }

const withTokenFile = async (more: Record<string, string> = {}) => {
  const sandbox = await aSandbox()
  const { WALDUR_API_TOKEN: token = "", ...environment } = environmentOf(sandbox)
  const file = join(await aDirectory(), "token")
  await writeFile(file, `${token}\n`)
  const running = await serving([], {
    environment: { ...environment, ...alwaysReads, WALDUR_API_TOKEN_FILE: file, ...more },
  })
  await until(() => isListServed(running.url))
  return { ...running, sandbox, file, token }
}

describe("SIGHUP", () => {
  test("applies a new Waldur token in its file to the next call", async () => {
    const { child, url, sandbox, file, token, stderr } = await withTokenFile()
    rotateToken(sandbox, newToken)
    await writeFile(file, `${newToken}\n`)
    child.kill("SIGHUP")
    await until(() => rereads({ stderr }, "changes").length > 0)
    expect(rereads({ stderr }, "changes").at(-1)?.changed).toBe("waldur_api_token")
    const readsWith = (of: string) =>
      sandbox.calls
        .of("waldur")
        .filter(({ path, headers }) => path.endsWith("-resources/") && headers.get("authorization") === `Token ${of}`)
    await until(async () => (await isListServed(url)) && readsWith(newToken).some(({ status }) => status === 200))
    for (const secret of [token, newToken]) expect(stderr()).not.toContain(secret)
    expect(child.exitCode).toBe(null)
  })

  test("with a new client secret of the HPC User API drops the token of the old one", async () => {
    const sandbox = await aSandbox()
    const file = await aFile(sandbox)
    const running = await serving(["--config", file], { environment: alwaysReads })
    await until(() => isListServed(running.url))
    sandbox.issuer.settings.clients.set(sandbox.hpcUserApi.clientId, newSecret)
    const hpcUserApi = { ...sandbox.hpcUserApi, clientSecret: newSecret }
    await writeFile(file, documentOf({ ...sandbox, hpcUserApi }))
    running.child.kill("SIGHUP")
    await until(() => rereads(running, "changes").length > 0)
    expect(rereads(running, "changes")[0]?.changed).toBe("hpc_user_api.client_secret")
    expect(running.stderr()).not.toContain(newSecret)
  })

  test("with a refused configuration keeps the previous one, and reports the key but no secret", async () => {
    const { child, url, file, token, stderr } = await withTokenFile()
    const wrong = `${token.slice(0, 20)}hunter2`
    await writeFile(file, wrong)
    child.kill("SIGHUP")
    const refusals = () => linesOf({ stderr }, "configuration-refused")
    await until(() => refusals().length > 0)
    expect(String(refusals()[0]?.problems)).toContain("waldur_api_token")
    expect(stderr()).not.toContain("hunter2")
    expect(stderr()).not.toContain(token.slice(0, 20))
    expect(await isListServed(url)).toBe(true)
    expect((await readinessOf(url)).warnings.join()).toContain("refused (waldur_api_token)")

    await writeFile(file, token)
    child.kill("SIGHUP")
    await until(() => rereads({ stderr }, "no change").length > 0)
    expect((await readinessOf(url)).warnings.join()).not.toContain("refused")
  })

  test("applies the file's log level at once, and reports other settings that need a restart", async () => {
    const sandbox = await aSandbox()
    const directory = await aDirectory()
    const file = join(directory, "config.yaml")
    const write = (more: string) => writeFile(file, `auth: { disable_auth: true }\n${more}\n`)
    await write("")
    const environment = environmentOf(sandbox)
    const running = await serving(["--config", file], { environment })
    await until(() => isListServed(running.url))
    expect(linesOf(running, "request").some(({ level }) => level === "DEBUG")).toBe(false)
    await write("log_level: debug\ncache: { fresh_for: 7s }")
    running.child.kill("SIGHUP")
    await until(() => linesOf(running, "restart-needed").length > 0)
    expect(linesOf(running, "restart-needed")[0]?.settings).toBe("cache.fresh_for")
    await fetch(`${running.url}/healthz/live`)
    await until(() => linesOf(running, "request").some(({ level }) => level === "DEBUG"))
  })
})

describe("the process", () => {
  test("is not ended or opened to a debugger by SIGUSR1, SIGUSR2 or SIGPIPE", async () => {
    const { child, url, stderr } = await serving([], { environment: environmentOf(await aSandbox()) })
    for (const signal of ["SIGUSR1", "SIGUSR2", "SIGPIPE"] as const) child.kill(signal)
    await until(() => isListServed(url))
    expect(child.exitCode).toBe(null)
    expect(stderr()).not.toMatch(/Debugger listening|inspector/i)
  })

  test("ends at SIGHUP in other commands, as when the terminal closes", async () => {
    const sandbox = await aSandbox()
    sandbox.faults.set("waldur", { hang: true })
    const { child, ended } = await run(["check"], { environment: environmentOf(sandbox) })
    await until(() => sandbox.calls.of("waldur").length > 0)
    child.kill("SIGHUP")
    expect(await ended).toBe("SIGHUP")
  })
})

describe("--log-level", () => {
  test("takes precedence over the configuration in serve, also after a re-read", async () => {
    const sandbox = await aSandbox()
    const file = await aFile(sandbox, { log_level: "error" })
    const running = await serving(["--config", file, "--log-level", "debug"])
    await fetch(`${running.url}/healthz/live`)
    await until(() => linesOf(running, "request").some(({ level }) => level === "DEBUG"))
    running.child.kill("SIGHUP")
    await until(() => rereads(running, "no change").length > 0)
  })

  test("silences a command's log, but not its output", async () => {
    const sandbox = await aSandbox()
    // A failed read of customer lists is a warning.
    sandbox.faults.set("waldur", { path: /\/customers\/$/, status: 500 })
    const environment = environmentOf(sandbox)
    const [loud, quiet] = await Promise.all(
      ["debug", "none"].map((level) => finished(["export", "--log-level", level], { environment })),
    )
    expect([loud?.code, quiet?.code]).toEqual([0, 0])
    expect(quiet?.stdout).toBe(loud?.stdout)
    expect(loud?.stderr).not.toBe("")
    expect(quiet?.stderr).toBe("")
  })
})

describe("a secret's file", () => {
  test("that changes while the process starts is read again", async () => {
    const sandbox = await aSandbox()
    const { WALDUR_API_TOKEN: token = "", ...environment } = environmentOf(sandbox)
    const file = join(await aDirectory(), "token")
    await writeFile(file, newToken)
    // An unresponsive shared cache slows the start down.
    const silent = createServer().listen(0, "127.0.0.1")
    onTestFinished(() => void silent.close())
    await once(silent, "listening")
    const cache = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const { stderr } = await run(["serve", "--port", "0"], {
      environment: { ...environment, WALDUR_API_TOKEN_FILE: file, CACHE_URL: cache },
    })
    await until(() => linesOf({ stderr }, "configuration").length > 0)
    expect(linesOf({ stderr }, "listening")).toEqual([])
    await writeFile(file, token)
    await until(() => rereads({ stderr }, "changes").length > 0)
  })

  test("that Kubernetes swaps by its link is read again without a signal", async () => {
    const sandbox = await aSandbox()
    const { WALDUR_API_TOKEN: token = "", ...environment } = environmentOf(sandbox)
    const volume = await aDirectory()
    const put = async (name: string, value: string) => {
      await mkdir(join(volume, name))
      await writeFile(join(volume, name, "token"), value)
      await symlink(name, join(volume, "..data_tmp"))
      await rename(join(volume, "..data_tmp"), join(volume, "..data"))
    }
    await put("..1", token)
    await symlink("..data/token", join(volume, "token"))
    const { url, stderr } = await serving([], {
      environment: { ...environment, ...alwaysReads, WALDUR_API_TOKEN_FILE: join(volume, "token") },
    })
    await until(() => isListServed(url))
    rotateToken(sandbox, newToken)
    await put("..2", newToken)
    await rm(join(volume, "..1"), { recursive: true })
    await until(() => rereads({ stderr }, "changes").length > 0)
    expect(rereads({ stderr }, "changes")[0]?.reason).toBe("a secret's file changed")
    await until(async () => (await readinessOf(url)).upstreams.waldur?.status === "ok")
  })
})

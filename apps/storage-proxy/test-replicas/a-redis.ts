import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { freePort } from "@cscs/harness"
import { onTestFinished } from "vitest"
import { aDirectory, until } from "../test/a-process.ts"

/** A real Redis or Valkey that ends with the test and persists nothing. */
export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly stop: () => Promise<void>
  /** Restarts it on the same port, empty. */
  readonly start: () => Promise<void>
  /** Freezes it: connections remain, but nothing gets a response. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Sends one command by its command line and returns the output. */
  readonly say: (...command: ReadonlyArray<string>) => Promise<string>
  /** Runs some Lua for each matching key, under the names `key` and `value` (false if it is not a string). */
  readonly each: (pattern: string, script: string) => Promise<void>
  readonly keys: (pattern?: string) => Promise<ReadonlyArray<string>>
}

/** The programs of whichever is installed; both have the same protocol. */
const programs = (["valkey", "redis"] as const)
  .map((name) => ({ server: `${name}-server`, cli: `${name}-cli` }))
  .find(({ server }) => spawnSync(server, ["--version"]).status === 0)

export const password = "redis-hunter2"

/** @param more further arguments of the server; with a `--tls-port` no other port is open */
export const aRedis = async (more: ReadonlyArray<string> = []): Promise<RedisServer> => {
  if (programs === undefined) throw new Error("neither valkey-server nor redis-server is installed")
  const port = await freePort()
  const directory = await aDirectory()
  const isTls = more.some((one) => one.startsWith("--tls"))
  const ports = isTls ? ["--port", "0", "--tls-port", String(port)] : ["--port", String(port)]
  const fixed = ["--bind", "127.0.0.1", "--requirepass", password, "--save", "", "--dir", directory]
  let child: ChildProcess | undefined
  const say = async (...command: ReadonlyArray<string>): Promise<string> => {
    const tls = isTls ? ["--tls", "--insecure"] : []
    const cli = spawn(programs.cli, ["-p", String(port), "-a", password, "--no-auth-warning", ...tls, ...command])
    let text = ""
    cli.stdout.setEncoding("utf8").on("data", (part) => {
      text += part
    })
    await once(cli, "close")
    return text.trim()
  }
  const start = async () => {
    child = spawn(programs.server, [...ports, ...fixed, ...more], { stdio: "ignore" })
    await until(async () => (await say("PING")) === "PONG")
  }
  const stop = async () => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    running.kill("SIGKILL")
    await once(running, "close")
  }
  onTestFinished(stop)
  await start()
  return {
    port,
    url: `${isTls ? "rediss" : "redis"}://:${password}@127.0.0.1:${port}`,
    stop,
    start,
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    say,
    each: async (pattern, script) => {
      const loop = `
        for _, key in ipairs(redis.call('keys', ARGV[1])) do
          local value = redis.pcall('get', key)
          if type(value) ~= 'string' then value = false end
          ${script}
        end
        return 'done'`
      const reported = await say("EVAL", loop, "0", pattern)
      if (reported !== "done") throw new Error(reported)
    },
    keys: async (pattern = "*") => (await say("KEYS", pattern)).split("\n").filter((key) => key !== ""),
  }
}

/** A relay to a port that can be cut without either end noticing: packets vanish, new connections still work. */
export const aWayTo = async (port: number) => {
  const pairs: Array<readonly [Socket, Socket]> = []
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1")
    near.pipe(far).pipe(near)
    near.on("error", () => far.destroy())
    far.on("error", () => near.destroy())
    pairs.push([near, far])
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => {
    for (const pair of pairs) for (const socket of pair) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as { port: number }).port,
    cut: () => {
      for (const [near, far] of pairs) {
        near.unpipe(far)
        far.unpipe(near)
        near.resume()
        far.resume()
      }
    },
  }
}

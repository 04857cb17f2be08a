import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schedule, type Scope } from "effect"
import { deadPort } from "../test/loopback-server.ts"

/** A proxy program that listens on 127.0.0.1. */
export interface ProxyProgram {
  readonly port: number
  /** Its output so far. */
  readonly log: () => string
  /** Waits until its log contains a string, which may be written after the response. */
  readonly logged: (text: string) => Effect.Effect<void>
}

export const login = { user: "someone", password: "hunter2-x9" }

/** SOCKS5 (RFC 1928) with user and password (RFC 1929); the proxy always resolves names itself. */
export const microsocks = Effect.suspend(() =>
  program("/usr/bin/microsocks", (port) => [
    "-i",
    "127.0.0.1",
    "-p",
    `${port}`,
    "-u",
    login.user,
    "-P",
    login.password,
  ]),
)

/** SOCKS4 and SOCKS5 without a login. */
export const dante = Effect.suspend(() =>
  program("/usr/sbin/danted", (port, configuration) => [
    "-f",
    configuration(`logoutput: stderr
internal: 127.0.0.1 port = ${port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
client pass { from: 127.0.0.1/32 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.1/32 to: 0.0.0.0/0 log: connect error }
`),
  ]),
)

/** HTTP, by CONNECT and in absolute form, with Basic authentication. */
export const tinyproxy = Effect.suspend(() =>
  program("/usr/bin/tinyproxy", (port, configuration) => [
    "-d",
    "-c",
    configuration(`Port ${port}
Listen 127.0.0.1
LogLevel Connect
BasicAuth ${login.user} ${login.password}
`),
  ]),
)

/** Polling interval while a program starts or writes its log. */
const soon = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 500 }))

/** Starts a program and waits until it accepts connections. It ends with the scope. */
const program = Effect.fnUntraced(function* (
  path: string,
  args: (port: number, configuration: (text: string) => string) => ReadonlyArray<string>,
): Effect.fn.Return<ProxyProgram, never, Scope.Scope> {
  if (!existsSync(path)) {
    return yield* Effect.die(new Error(`${path} is missing: apt-get install microsocks dante-server tinyproxy`))
  }
  const port = yield* deadPort
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "http-transport-"))),
    (made) => Effect.sync(() => rmSync(made, { recursive: true })),
  )
  const configuration = (text: string) => {
    const file = join(folder, "proxy.conf")
    writeFileSync(file, text)
    return file
  }
  let log = ""
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(path, args(port, configuration), { stdio: ["ignore", "pipe", "pipe"] })
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          log += text
        })
      }
      return child
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill()
      }),
  )
  const accepts = Effect.callback<void, Error>((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resume(Effect.void)).once("error", (error) => resume(Effect.fail(error)))
    socket.once("connect", () => socket.destroy())
  })
  yield* Effect.orDie(Effect.retry(accepts, soon))
  const looked = (text: string) =>
    Effect.suspend(() => (log.includes(text) ? Effect.void : Effect.fail(new Error(`no ${text} in the log:\n${log}`))))
  return { port, log: () => log, logged: (text) => Effect.orDie(Effect.retry(looked(text), soon)) }
})

import { spawn } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { Writable } from "node:stream"
import { text } from "node:stream/consumers"
import { setTimeout as turn } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { type LogEvent, masker } from "@cscs/proxy-server"
import { Cause, Effect, Exit, Logger, References, Scope } from "effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { jsonLine, terminalLine } from "../src/log-lines.ts"
import { makeLogWriter } from "../src/log-writer.ts"
import { aSandbox, environmentOf, type Running, serving, until } from "./a-process.ts"

const list = "/api/storage-resources/"

interface Line {
  readonly message: string
  readonly level: string
  readonly [field: string]: unknown
}
const linesOf = ({ stderr }: Running, event: LogEvent = "request"): ReadonlyArray<Line> =>
  stderr()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line.event === event)

const aServer = async (more: Record<string, string> = {}) => {
  const sandbox = await aSandbox()
  const running = await serving([], { environment: { ...environmentOf(sandbox), ...more } })
  await until(async () => (await fetch(`${running.url}${list}`)).status === 200)
  return { ...running, sandbox }
}

test("the start logs only settings that differ from their defaults, given or not, and counts the others", async () => {
  const { stderr, sandbox } = await aServer({
    STORAGE_FILE_SYSTEM: "lustre",
    INODE_HARD_COEFFICIENT: "2.5",
    CACHE_FRESH_FOR: "10s",
  })
  const [line] = linesOf({ stderr } as Running, "configuration")
  const { message, level: _, timestamp: __, event: ___, ...settings } = line ?? { message: "", level: "" }
  const names = Object.keys(settings).filter((name) => name !== "SSL_CERT_FILE")
  expect(names.toSorted()).toEqual([
    "auth.disable_auth",
    "backend_settings.inode_hard_coefficient",
    "hpc_user_api.api_url",
    "hpc_user_api.client_id",
    "hpc_user_api.client_secret",
    "hpc_user_api.oidc_token_url",
    "storage_systems",
    "waldur_api_token",
    "waldur_api_url",
  ])
  expect(message).toMatch(/^Configuration: (9|10) settings, \d+ others at their defaults$/)
  expect(JSON.stringify(line)).not.toContain(sandbox.waldur.token)
})

describe("requests to a process", () => {
  test("have their id in the response and in one log line, whatever the status", async () => {
    const server = await aServer({ DEBUG: "true" })
    const { headers } = await fetch(server.url + list)
    const asked: ReadonlyArray<readonly [string, RequestInit, number]> = [
      [list, {}, 200],
      [list, { method: "HEAD" }, 200],
      [list, { headers: { Accept: "application/x-ndjson" } }, 200],
      [list, { headers: { "If-None-Match": headers.get("etag") ?? "" } }, 304],
      ["/a%0A%1b[31m?access_token=hunter2", {}, 404],
      [list, { method: "POST" }, 405],
      [`${list}?snapshot=gone`, {}, 410],
      [`${list}?page=0`, {}, 422],
      ["/healthz/live", {}, 200],
      ["/healthz/ready", {}, 200],
      ["/docs/", {}, 200],
    ]
    const got: Array<unknown> = []
    for (const [position, [path, init, status]] of asked.entries()) {
      const id = `own-${position}`
      const response = await fetch(server.url + path, { ...init, headers: { ...init.headers, "X-Request-Id": id } })
      await response.arrayBuffer()
      expect([path, response.status, response.headers.get("x-request-id")]).toEqual([path, status, id])
      const promised = response.headers.get("content-length")
      got.push({ id, status, ...(promised === null || init.method === "HEAD" ? {} : { bytes: Number(promised) }) })
    }
    const own = () => linesOf(server).filter(({ request_id: id }) => String(id).startsWith("own-"))
    await until(() => own().length >= asked.length)
    expect(
      own().map(({ request_id: id, status, bytes }) => ({
        id,
        status,
        ...(bytes === undefined ? {} : { bytes }),
      })),
    ).toEqual(got)
    expect(own()[4]?.path).toBe("/a%0A%1b[31m")
    expect(server.stderr()).not.toContain("hunter2")
  })

  test("are all in the log of a process that SIGTERM ends", async () => {
    const server = await aServer()
    const before = linesOf(server).length
    for (let round = 0; round < 30; round++) {
      await Promise.all(Array.from({ length: 10 }, () => fetch(server.url + list).then((response) => response.text())))
    }
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
    // Requests still in flight at the first count are not among the 300.
    expect(linesOf(server).length - before).toBeGreaterThanOrEqual(300)
    expect(linesOf(server, "stopping").length).toBe(1)
    expect(server.stderr().endsWith("\n")).toBe(true)
  })

  test("are logged as 499 without a warning if the caller disconnects", async () => {
    const server = await aServer({ CACHE_FRESH_FOR: "0" })
    const fault = server.sandbox.faults.set("waldur", { latencyMs: 300 })
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    socket.on("error", () => {})
    socket.write(`GET ${list} HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone\r\n\r\n`)
    await until(() => fault.struck > 0)
    socket.destroy()
    const gone = () => linesOf(server).filter(({ request_id: id }) => id === "gone")
    await until(() => gone().length > 0)
    expect(gone()).toMatchObject([{ level: "INFO", status: 499 }])
  })

  test("are not logged below the lowest level", async () => {
    const server = await aServer({ LOG_LEVEL: "info" })
    await fetch(`${server.url}/healthz/live`)
    await fetch(server.url + list)
    server.child.kill("SIGTERM")
    await server.ended
    expect(new Set(linesOf(server).map(({ path }) => path))).toEqual(new Set([list]))
  })

  test("are served even if the log's reader is gone", async () => {
    const server = await aServer()
    server.child.stderr?.destroy()
    for (let round = 0; round < 20; round++) {
      expect((await fetch(server.url + list)).status).toBe(200)
      await turn(5)
    }
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
  })
})

describe("buffered log lines", () => {
  const dies = (how: string) => {
    const script = fileURLToPath(new URL("a-dying-writer.ts", import.meta.url))
    return spawn(process.execPath, [script, how], { stdio: ["ignore", "ignore", "pipe"] })
  }
  const dying = async (how: string) => {
    const child = dies(how)
    const [reported, [code]] = await Promise.all([text(child.stderr), once(child, "close")])
    return { reported, code }
  }
  const all = Array.from({ length: 500 }, (_, index) => `line ${index + 1}\n`).join("")

  test("are written when the work is done, and at process.exit", async () => {
    expect(await dying("end")).toEqual({ reported: all, code: 0 })
    expect(await dying("exit")).toEqual({ reported: all, code: 3 })
  })

  test("do not end the process if their reader is gone before the first write, which is the last", async () => {
    const child = dies("end")
    child.stderr.destroy()
    expect(await once(child, "close")).toEqual([0, null])
  })

  test("are written before the error that ends the process", async () => {
    const { reported, code } = await dying("throw")
    expect(code).toBe(1)
    expect(reported.startsWith(all)).toBe(true)
    expect(reported).toContain("Error: uncaught")
  })

  /** A writer to a stream that accepts nothing until it is released. */
  const aStuckWriter = async () => {
    const written: Array<string> = []
    const waiting: Array<() => void> = []
    let isOpen = false
    const stream = new Writable({
      highWaterMark: 16,
      write: (chunk, _, done) => {
        written.push(String(chunk))
        if (isOpen) done()
        else waiting.push(done)
      },
    })
    const scope = Scope.makeUnsafe()
    onTestFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    const write = await Effect.runPromise(
      Effect.provideService(
        makeLogWriter(stream as NodeJS.WriteStream, (lines) => `${lines} dropped`),
        Scope.Scope,
        scope,
      ),
    )
    const open = () => {
      isOpen = true
      for (const done of waiting.splice(0)) done()
    }
    return { write, written, stream, open }
  }

  test("are batched for a hundredth of a second", async () => {
    const { write, written, open } = await aStuckWriter()
    open()
    write("a")
    write("ü")
    expect(written).toEqual([])
    await until(() => written.length > 0)
    expect(written).toEqual(["a\nü\n"])
  })

  test("are dropped and counted while the reader is stuck; a line longer than the buffer is written whole", async () => {
    const { write, written, stream, open } = await aStuckWriter()
    const long = "x".repeat(1024 * 1024)
    for (let line = 0; line < 50; line++) write(long)
    expect(stream.writableLength).toBeLessThan(6 * 1024 * 1024)
    open()
    await until(() => stream.writableLength === 0)
    write("again")
    await until(() => written.at(-1)?.endsWith("again\n") === true)
    const kept = written.join("").split("\n")
    const count = kept.filter((line) => line === long).length
    expect(kept.slice(count)).toEqual([`${50 - count} dropped`, "again", ""])
  })
})

describe("a log line", () => {
  const logged = (effect: Effect.Effect<void>, ...loggers: ReadonlyArray<Logger.Logger<unknown, string>>) => {
    const lines: Array<string> = []
    const collecting = loggers.map((logger) => Logger.map(logger, (line) => void lines.push(line)))
    Effect.runSync(
      effect.pipe(Effect.provide(Logger.layer(collecting)), Effect.provideService(References.MinimumLogLevel, "All")),
    )
    return lines
  }

  const plain = masker([])

  test("as JSON has the fields of Effect's own line, flat, without its spans and fiber, whatever it contains", () => {
    const samples = [
      Effect.logInfo("plain"),
      Effect.logDebug('ü\n"\\'),
      Effect.logWarning("two", "texts"),
      Effect.logInfo({ an: "object" }),
      Effect.logError("cause", Cause.fail(new Error("why"))),
      Effect.logInfo("span").pipe(Effect.withLogSpan("a")),
      ...[
        { a: "b", n: 1, t: true },
        { u: undefined },
        { n: null, o: { a: [1] } },
        { e: new Error("x") },
        { b: 1n },
      ].map((annotations) => Effect.annotateLogs(Effect.logInfo("annotated"), annotations)),
    ]
    for (const sample of samples) {
      const [ours, theirs = ""] = logged(sample, jsonLine(plain), Logger.formatJson)
      const { annotations, spans: _, fiberId: __, ...line } = JSON.parse(theirs)
      expect(ours).toBe(JSON.stringify({ ...line, ...annotations }))
      expect(ours).not.toContain("\n")
    }
  })

  test("for a terminal contains no control character, and has colours if supported", () => {
    const evil = Effect.logWarning("a\u001b[2Jb").pipe(Effect.annotateLogs({ path: "\u001b]0;x\u0007\n\u009b" }))
    for (const hasColors of [false, true]) {
      const [line = ""] = logged(evil, terminalLine(hasColors, plain))
      const uncoloured = line.replace("\u001b[33mlevel=WARN\u001b[0m", "level=WARN")
      expect(uncoloured).not.toMatch(/\p{Cc}/u)
      expect(line === uncoloured).toBe(!hasColors)
      expect(uncoloured).toContain("level=WARN message=")
    }
  })

  test("as JSON contains no character that ends a line, controls a terminal or reverses its direction, and decodes to the original", () => {
    const evil = "\u001b[2J\u009b31m\u2028\u2029\u202e\u2066\u007f\r\n\ufeff"
    const [line = ""] = logged(
      Effect.annotateLogs(Effect.logInfo(evil), { caller: evil, more: { deep: evil } }),
      jsonLine(plain),
    )
    expect(line).not.toMatch(/[\p{Cc}\u2028-\u202e\u2066-\u2069\ufeff]/u)
    expect(JSON.parse(line)).toMatchObject({ message: evil, caller: evil, more: { deep: evil } })
  })

  test("contains no secret of the settings in any spelling, nor the value of a secret field, in message, fields and causes", () => {
    const secret = "s3cret/of+the settings"
    const mask = masker([secret])
    const spelt = [secret, encodeURIComponent(secret), Buffer.from(`a:${secret}`).toString("base64")]
    for (const one of spelt) {
      const samples = [
        Effect.logInfo(`reported ${one}`),
        Effect.logInfo("found").pipe(Effect.annotateLogs({ detail: one, found: { api_key: "abc", deep: [one] } })),
        Effect.logError("cause", Cause.die(new Error(one))),
      ]
      for (const sample of samples) {
        for (const line of logged(sample, jsonLine(mask), terminalLine(false, mask))) {
          expect(line).toContain("***")
          for (const piece of ["s3cret", "czNjcmV0", "abc"]) expect(line).not.toContain(piece)
        }
      }
    }
  })
})

import { connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"
import { listening } from "./loopback-server.ts"

/** One request to the proxy to connect. */
export interface Asked {
  readonly version: "4" | "4a" | "5"
  /** Whether the client left the name resolution to the proxy. */
  readonly target: "name" | "address"
  readonly host: string
  readonly port: number
}

export interface RecordingSocksProxy {
  readonly port: number
  readonly asked: ReadonlyArray<Asked>
  /** User names that clients sent, right or wrong. */
  readonly users: ReadonlyArray<string>
}

/**
 * A recording SOCKS proxy for tests that speaks 4, 4a (its extension for names) and 5 (RFC 1928, with RFC 1929 if a
 * login is given), and pipes to the target. It resolves only `localhost` and `*.example.org`, to 127.0.0.1, the address
 * of the test servers.
 */
export const recordingSocksProxy = Effect.fnUntraced(function* (login?: {
  readonly user: string
  readonly password: string
}) {
  const asked: Array<Asked> = []
  const users: Array<string> = []
  const port = yield* listening(
    createServer((client) => {
      client.on("error", () => {})
      const read = reader(client)
      const serve = async () => {
        const [version] = await read(1)
        if (version === 4) return serve4(client, read, asked)
        if (version === 5) return serve5(client, read, asked, users, login)
        client.destroy()
      }
      serve().catch(() => client.destroy())
    }),
  )
  return { port, asked, users } satisfies RecordingSocksProxy
})

type Read = (bytes: number) => Promise<Buffer>

const serve4 = async (client: Socket, read: Read, asked: Array<Asked>) => {
  const head = await read(7)
  await readText(read)
  const port = head.readUInt16BE(1)
  const address = [...head.subarray(3, 7)]
  // 4a: an address of 0.0.0.x means that the name follows.
  const named = address.slice(0, 3).every((byte) => byte === 0) && address[3] !== 0
  const host = named ? await readText(read) : address.join(".")
  asked.push({ version: named ? "4a" : "4", target: named ? "name" : "address", host, port })
  pipe(client, host, port, (open) => Buffer.from([0, open ? 90 : 91, 0, 0, 0, 0, 0, 0]))
}

const serve5 = async (
  client: Socket,
  read: Read,
  asked: Array<Asked>,
  users: Array<string>,
  login: { readonly user: string; readonly password: string } | undefined,
) => {
  const methods = [...(await read((await read(1))[0] ?? 0))]
  const method = login === undefined ? 0 : 2
  if (!methods.includes(method)) return void client.end(Buffer.from([5, 0xff]))
  client.write(Buffer.from([5, method]))
  if (login !== undefined) {
    await read(1)
    const user = (await read((await read(1))[0] ?? 0)).toString()
    const password = (await read((await read(1))[0] ?? 0)).toString()
    users.push(user)
    const right = user === login.user && password === login.password
    client.write(Buffer.from([1, right ? 0 : 1]))
    if (!right) return void client.end()
  }
  const kind = (await read(4))[3]
  const host =
    kind === 3
      ? (await read((await read(1))[0] ?? 0)).toString()
      : kind === 1
        ? [...(await read(4))].join(".")
        : (await read(16)).toString("hex").replace(/(.{4})(?!$)/g, "$1:")
  const port = (await read(2)).readUInt16BE(0)
  asked.push({ version: "5", target: kind === 3 ? "name" : "address", host, port })
  pipe(client, host, port, (open) => Buffer.from([5, open ? 0 : 5, 0, 1, 0, 0, 0, 0, 0, 0]))
}

const pipe = (client: Socket, host: string, port: number, reply: (open: boolean) => Buffer) => {
  const local = /^localhost\.?$|\.example\.org\.?$/.test(host)
  const target = connect({ host: local ? "127.0.0.1" : host, port, lookup: refuseLookup })
  target.once("connect", () => {
    client.write(reply(true))
    client.pipe(target).pipe(client)
  })
  target.on("error", () => client.end(reply(false)))
  client.on("close", () => target.destroy())
}

const refuseLookup = (host: string, _options: unknown, done: (error: NodeJS.ErrnoException, address: string) => void) =>
  done(new Error(`the test's proxy does not resolve ${host}`), "")

const readText = async (read: Read): Promise<string> => {
  let text = ""
  for (;;) {
    const [byte] = await read(1)
    if (byte === undefined || byte === 0) return text
    text += String.fromCharCode(byte)
  }
}

/** Reads exact numbers of bytes from a socket in paused mode, and leaves the rest for a later pipe. */
const reader =
  (socket: Socket): Read =>
  (bytes) =>
    new Promise((resolve, reject) => {
      if (bytes === 0) return resolve(Buffer.alloc(0))
      const attempt = () => {
        const chunk: Buffer | null = socket.read(bytes)
        if (chunk === null) return false
        socket.off("readable", attempt).off("close", closed)
        resolve(chunk)
        return true
      }
      const closed = () => reject(new Error("the client closed the connection"))
      if (attempt()) return
      socket.on("readable", attempt).once("close", closed)
    })

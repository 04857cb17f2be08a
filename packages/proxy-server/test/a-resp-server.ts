import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import { onTestFinished } from "vitest"

/** The reply of a server: raw bytes of RESP, or none. */
export type RedisReply = Buffer | string | undefined

/**
 * A server that speaks as much of Redis's protocol as a client needs to send commands, with scripted replies.
 *
 * @param answer the reply to a command of these words
 */
export const aRespServer = async (answer: (...words: ReadonlyArray<string>) => RedisReply) => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let unread = Buffer.alloc(0)
    socket.on("error", () => undefined)
    socket.on("data", (data) => {
      unread = Buffer.concat([unread, data])
      for (;;) {
        const command = firstCommand(unread)
        if (command === undefined) return
        unread = unread.subarray(command.length)
        const reported = answer(...command.words)
        if (reported !== undefined) socket.write(reported)
      }
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as { port: number }).port }
}

/** An array of strings in RESP; `null` for a missing value. */
export const aList = (texts: ReadonlyArray<string | null>): string =>
  `*${texts.length}\r\n${texts.map((text) => (text === null ? "$-1\r\n" : `$${Buffer.byteLength(text)}\r\n${text}\r\n`)).join("")}`

const firstCommand = (
  bytes: Buffer,
): { readonly words: ReadonlyArray<string>; readonly length: number } | undefined => {
  let at = 0
  const line = (): string | undefined => {
    const end = bytes.indexOf("\r\n", at)
    if (end < 0) return undefined
    const text = bytes.subarray(at, end).toString()
    at = end + 2
    return text
  }
  const count = Number(line()?.slice(1))
  const words: Array<string> = []
  for (let word = 0; word < count; word += 1) {
    const length = Number(line()?.slice(1))
    if (Number.isNaN(length) || bytes.length < at + length + 2) return undefined
    words.push(bytes.subarray(at, at + length).toString())
    at += length + 2
  }
  return Number.isNaN(count) ? undefined : { words, length: at }
}

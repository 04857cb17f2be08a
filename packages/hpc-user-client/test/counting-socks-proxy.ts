import { connect, createServer } from "node:net"
import { Effect } from "effect"
import { listening } from "./fake-hpc-user.ts"

/** A SOCKS5 proxy without login (RFC 1928) that pipes to 127.0.0.1 for any host, and counts its tunnels. */
export const countingSocksProxy = Effect.gen(function* () {
  const tunnels: Array<number> = []
  const port = yield* listening(
    createServer((client) => {
      client.once("data", () => {
        client.write(Buffer.from([5, 0]))
        client.once("data", (request) => {
          const to = request.readUInt16BE(request.length - 2)
          tunnels.push(to)
          const target = connect(to, "127.0.0.1", () => {
            client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
            client.pipe(target).pipe(client)
          })
          target.on("error", () => client.destroy())
          client.on("close", () => target.destroy())
        })
      })
    }),
  )
  return { url: `socks5h://127.0.0.1:${port}`, tunnels }
})

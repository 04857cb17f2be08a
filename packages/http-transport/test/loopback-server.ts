import { readFileSync } from "node:fs"
import { createServer as createHttpServer, type RequestListener } from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import { Effect } from "effect"

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), "utf8")

/** The self-signed certificate of the https server here, in PEM. */
export const certificate = fixture("localhost.cert.pem")
/** Its private key, in PEM. */
export const key = fixture("localhost.key.pem")
/** The same for other.example.org. */
export const otherCertificate = fixture("other.cert.pem")
export const otherKey = fixture("other.key.pem")

/** Listens on a free port of 127.0.0.1 until the scope ends, which also closes open connections. */
export const listening = (server: Server) => {
  const sockets = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
    // Clients that disconnect midway are part of some tests.
    socket.on("error", () => {})
  })
  return Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      }),
  )
}

/** A real HTTP server, and the requests that it received, as `METHOD /path?query`. */
export const httpServer = Effect.fnUntraced(function* (handler: RequestListener) {
  const requests: Array<string> = []
  const port = yield* listening(createHttpServer(recording(requests, handler)))
  return { url: `http://127.0.0.1:${port}/`, port, requests }
})

/**
 * The same over TLS, with `certificate`. `connections` counts all of them, with or without a request; `serverNames` are
 * those asked for (SNI).
 */
export const httpsServer = Effect.fnUntraced(function* (handler: RequestListener) {
  const requests: Array<string> = []
  const connections: Array<number> = []
  const serverNames: Array<string | false> = []
  const server = createHttpsServer({ cert: certificate, key }, recording(requests, handler))
  server.on("secureConnection", (socket: TLSSocket) => serverNames.push(socket.servername ?? false))
  server.on("connection", () => connections.push(connections.length))
  server.on("tlsClientError", () => {})
  const port = yield* listening(server)
  return { url: `https://127.0.0.1:${port}/`, port, requests, connections, serverNames }
})

/** A server below HTTP, for responses that no HTTP server sends. */
export const tcpServer = Effect.fnUntraced(function* (onConnection: (socket: Socket) => void) {
  const port = yield* listening(createTcpServer(onConnection))
  return { url: `http://127.0.0.1:${port}/`, port }
})

/** A closed port of 127.0.0.1. */
export const deadPort = Effect.scoped(listening(createTcpServer()))

const recording =
  (requests: Array<string>, handler: RequestListener): RequestListener =>
  (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    handler(request, response)
  }

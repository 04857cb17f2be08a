import { createServer, type IncomingMessage, request as requestOf, STATUS_CODES } from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { connect, type Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import { Effect } from "effect"
import { certificate, key, listening, otherCertificate, otherKey } from "./loopback-server.ts"

/** One request to the proxy. */
export interface AskedHttp {
  readonly form: "CONNECT" | "absolute"
  /** `host:port` of a CONNECT, method and URL of an absolute form. */
  readonly target: string
  /** `Proxy-Authorization` as received. */
  readonly credentials: string | undefined
}

export interface RecordingHttpProxy {
  readonly port: number
  readonly asked: ReadonlyArray<AskedHttp>
  /** TCP connections, with or without a request. */
  readonly connections: ReadonlyArray<number>
  /** The names in TLS handshakes (SNI), `false` if a client sent none. */
  readonly serverNames: ReadonlyArray<string | false>
}

/**
 * A recording HTTP proxy for tests (RFC 9110 section 9.3.6 for CONNECT, RFC 9112 section 3.2.2 for requests in absolute
 * form). It requires `credentials` if given, responds to every request with `refusal` if given, and with `502` if it
 * cannot reach the target. Its error pages repeat the request's credentials. It resolves `localhost` and
 * `*.example.org` to 127.0.0.1.
 */
export const recordingHttpProxy = Effect.fnUntraced(function* (
  settings: {
    readonly credentials?: string
    readonly refusal?: number
    readonly tls?: "localhost" | "other.example.org"
    /** The response that opens a tunnel, instead of a plain 200: any success after any interim responses. */
    readonly opening?: string
  } = {},
) {
  const asked: Array<AskedHttp> = []
  const connections: Array<number> = []
  const serverNames: Array<string | false> = []
  const refusalOf = (request: IncomingMessage, form: AskedHttp["form"], target: string) => {
    const credentials = request.headers["proxy-authorization"]
    asked.push({ form, target, credentials })
    return settings.credentials !== undefined && credentials !== settings.credentials ? 407 : settings.refusal
  }

  const identity = settings.tls === "localhost" ? { cert: certificate, key } : { cert: otherCertificate, key: otherKey }
  const server = settings.tls === undefined ? createServer() : createHttpsServer(identity)
  server.on("connection", () => connections.push(connections.length))
  server.on("secureConnection", (socket: TLSSocket) => serverNames.push(socket.servername ?? false))
  server.on("tlsClientError", () => {})
  server.on("request", (request, response) => {
    const refuse = (status: number) =>
      response
        .writeHead(status, { "proxy-authenticate": 'Basic realm="test"', "content-type": "text/html" })
        .end(page(status, request))
    if (!URL.canParse(request.url ?? "")) return void refuse(400)
    const refusal = refusalOf(request, "absolute", `${request.method} ${request.url}`)
    if (refusal !== undefined) return void refuse(refusal)
    const { hostname, port, pathname, search } = new URL(request.url ?? "")
    const { "proxy-authorization": _, ...headers } = request.headers
    const forwarded = requestOf({
      host: resolved(hostname),
      port,
      path: pathname + search,
      method: request.method,
      headers,
      agent: false,
    })
    forwarded.on("response", (upstream) => {
      response.writeHead(upstream.statusCode ?? 502, upstream.headers)
      upstream.pipe(response)
      upstream.once("close", () => {
        if (!upstream.complete) response.destroy()
      })
    })
    forwarded.on("error", () => refuse(502))
    request.pipe(forwarded)
  })
  server.on("connect", (request: IncomingMessage, client: Socket) => {
    client.on("error", () => {})
    const refuse = (status: number) =>
      client.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n\r\n${page(status, request)}`)
    const refusal = refusalOf(request, "CONNECT", request.url ?? "")
    if (refusal !== undefined) return void refuse(refusal)
    const { hostname, port } = new URL(`tunnel://${request.url}`)
    const target = connect({ host: resolved(hostname), port: Number(port) })
    target.once("connect", () => {
      client.write(settings.opening ?? "HTTP/1.1 200 Connection established\r\n\r\n")
      client.pipe(target).pipe(client)
    })
    target.on("error", () => refuse(502))
    client.on("close", () => target.destroy())
  })
  const port = yield* listening(server)
  return { port, asked, connections, serverNames } satisfies RecordingHttpProxy
})

/** The error page of a verbose proxy. */
const page = (status: number, request: IncomingMessage) => {
  const credentials = request.headers["proxy-authorization"] ?? ""
  const login = Buffer.from(credentials.replace(/^Basic /, ""), "base64").toString()
  const [user = "", password = ""] = login.split(/:(.*)/s)
  const shown = [credentials, login, user, password, encodeURIComponent(user), encodeURIComponent(password)]
  return `<h1>${STATUS_CODES[status]}</h1><p>you sent ${shown.join(" and ")}</p>`
}

const resolved = (host: string) => (/^localhost\.?$|\.example\.org\.?$/.test(host) ? "127.0.0.1" : host)

import { readFileSync } from "node:fs"
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http"
import { createServer as createHttpsServer } from "node:https"
import type { AddressInfo, Server, Socket } from "node:net"
import { Effect, Redacted, type Scope } from "effect"
import type { HpcUserClientOptions } from "../src/index.ts"

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), "utf8")

/** The self-signed certificate of a fake with `tls`, in PEM. */
export const certificate = fixture("localhost.cert.pem")

export const clientSecret = "wonderland-through-the-looking-glass"

export interface TokenRequest {
  readonly form: Readonly<Partial<Record<"grant_type" | "client_id" | "client_secret" | "scope", string>>>
  readonly userAgent: string | undefined
}

export interface ApiRequest {
  readonly names: ReadonlyArray<string>
  readonly token: string
  /** Of the whole URL as the client sent it, scheme and host included. */
  readonly urlBytes: number
  readonly userAgent: string | undefined
}

type Respond = (response: ServerResponse, request: IncomingMessage) => void

export interface FakeHpcUser {
  readonly origin: string
  /** A client's options for this fake: two retries, a millisecond apart. */
  readonly options: HpcUserClientOptions
  readonly tokenRequests: ReadonlyArray<TokenRequest>
  readonly apiRequests: ReadonlyArray<ApiRequest>
  /** The API's data: a record's `unixGid` by `posixName`. */
  readonly gids: Map<string, unknown>
  /** The lifetime of new tokens in seconds; `undefined` omits it. */
  expiresIn: unknown
  /** The tokens that the API accepts; each issued one is added. */
  readonly accepted: Set<string>
  /** Responses that replace the next real ones, one each. */
  readonly nextApi: Array<Respond>
  readonly nextToken: Array<Respond>
  /** The API's real response, for `held`. */
  readonly projects: Respond
  /** The maximum number of simultaneous requests to the API so far. */
  maxAtOnce: number
}

/** A response with a JSON body. */
export const json =
  (body: unknown, status = 200): Respond =>
  (response) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))

/** A response with any other body. */
export const text =
  (body: string, status: number): Respond =>
  (response) =>
    response.writeHead(status, { "content-type": "text/html" }).end(body)

/** A response that waits: `arrived` resolves when its request arrives, and `release` sends `respond`. */
export const held = (respond: Respond) => {
  let arrive: () => void = () => {}
  let release: () => void = () => {}
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve
  })
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const hold: Respond = (response, request) => {
    arrive()
    void released.then(() => respond(response, request))
  }
  return { hold, arrived: Effect.promise(() => arrived), release: Effect.sync(() => release()) }
}

/** A small HPC User API and its token endpoint on one loopback server, which records its requests. */
export const fakeHpcUser = Effect.fnUntraced(function* (
  settings: { readonly tls?: boolean } = {},
): Effect.fn.Return<FakeHpcUser, never, Scope.Scope> {
  const tokenRequests: Array<TokenRequest> = []
  const apiRequests: Array<ApiRequest> = []
  let inFlight = 0

  const grant: Respond = (response) => {
    const token = `token-${tokenRequests.length}-${"x".repeat(40)}`
    fake.accepted.add(token)
    // Keycloak adds an ID token for the scope openid; its issuer is unchecked here.
    json({ access_token: token, token_type: "Bearer", expires_in: fake.expiresIn, id_token: "a.b.c" })(
      response,
      {} as never,
    )
  }
  const projects: Respond = (response, request) => {
    const { names, token } = apiRequest(request, fake.origin)
    if (!fake.accepted.has(token)) return json({ detail: "Unauthorized" }, 401)(response, request)
    const found = names.filter((name) => fake.gids.has(name))
    const records = found.map((posixName) => ({ posixName, unixGid: fake.gids.get(posixName), extra: true }))
    return json({ projects: records })(response, request)
  }

  const listener: RequestListener = (request, response) => {
    const url = new URL(request.url ?? "", "http://fake")
    if (request.method === "POST" && url.pathname === "/token") {
      let body = ""
      request.on("data", (chunk) => {
        body += chunk
      })
      request.on("end", () => {
        tokenRequests.push({
          form: Object.fromEntries(new URLSearchParams(body)),
          userAgent: request.headers["user-agent"],
        })
        const respond = fake.nextToken.shift() ?? grant
        respond(response, request)
      })
    } else if (request.method === "GET" && url.pathname === "/api/v1/export/waldur/projects") {
      apiRequests.push(apiRequest(request, fake.origin))
      inFlight += 1
      fake.maxAtOnce = Math.max(fake.maxAtOnce, inFlight)
      response.once("close", () => {
        inFlight -= 1
      })
      const respond = fake.nextApi.shift() ?? projects
      respond(response, request)
    } else response.writeHead(404).end()
  }
  const server = settings.tls
    ? createHttpsServer({ cert: certificate, key: fixture("localhost.key.pem") }, listener)
    : createHttpServer(listener)
  const port = yield* listening(server)
  const origin = `${settings.tls ? "https" : "http"}://127.0.0.1:${port}`
  const fake: FakeHpcUser = {
    origin,
    options: {
      apiUrl: origin,
      clientId: "storage-proxy",
      clientSecret: Redacted.make(clientSecret),
      tokenUrl: `${origin}/token`,
      retry: { times: 2, base: "1 millis", cap: "1 millis", maxRetryAfter: "1 second" },
    },
    tokenRequests,
    apiRequests,
    gids: new Map(),
    expiresIn: 3600,
    accepted: new Set(),
    nextApi: [],
    nextToken: [],
    projects,
    maxAtOnce: 0,
  }
  return fake
})

const apiRequest = (request: IncomingMessage, origin: string): ApiRequest => ({
  names: new URL(request.url ?? "", origin).searchParams.getAll("projects"),
  token: (request.headers.authorization ?? "").replace(/^Bearer /, ""),
  urlBytes: Buffer.byteLength(`${origin}${request.url}`),
  userAgent: request.headers["user-agent"],
})

/** Listens on a free port of 127.0.0.1 until the scope ends, which also closes open connections. */
export const listening = (server: Server) => {
  const sockets = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
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

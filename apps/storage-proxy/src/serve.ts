/** `storage-proxy serve`. */
import { createServer, type Server } from "node:http"
import { Gauges, Lifecycle, logEvent, makeApp, proxyLayer, rotatingSettings, Snapshots } from "@cscs/proxy-server"
import { getRequestListener } from "@hono/node-server"
import { Cause, Data, Effect, identity, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import type { Hono } from "hono"
import { configFlag, logging, logThreshold, settingsFrom } from "./configuration.ts"
import { endOnCrash } from "./crash-handler.ts"
import { normaliseTarget } from "./request-target.ts"
import { rereadSettings, stampOf, takeHangUps } from "./reread.ts"
import { closeStalledReaders } from "./stalled-readers.ts"
import { Telemetry, telemetryFor } from "./telemetry/telemetry.ts"
import { withShownDefault } from "./valued-flag.ts"

/** A host as in a URL: an IPv6 address in brackets. */
const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host)

/** The server cannot listen at the address. */
export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly host: string
  readonly port: number
  readonly code: string
}> {
  override get message() {
    return `Cannot listen at ${bracketed(this.host)}:${this.port}: ${reasons[this.code] ?? this.code}`
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there; choose another --port",
  EACCES: "permission denied; ports below 1024 need CAP_NET_BIND_SERVICE",
  EADDRNOTAVAIL: "this host does not have the address; choose another --host",
  ENOTFOUND: "the name has no address; choose another --host",
}

/** The server ended because of an internal fault. */
class EndedUnexpectedly extends Data.TaggedError("EndedUnexpectedly") {
  override readonly message = "Ended unexpectedly: see the last line of the log"
}

/** Provisioners send a request line and a few headers, at once. Longer or slower requests are refused. */
const serverOptions = {
  // Request line and headers together, in bytes. A longer request gets a 431.
  maxHeaderSize: 16 * 1024,
  // Milliseconds until the headers, and until the whole request, must have arrived.
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Idle timeout of a connection in milliseconds, longer than that of load balancers.
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 5_000,
}

/** A connection takes about 50 kB. Connections beyond the limit are dropped before the process runs out of memory. */
const connectionLimit = 2_000

const open = (app: Hono, host: string, port: number) =>
  Effect.callback<Server, CannotListen>((resume) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new CannotListen({ host, port, code: error.code ?? error.message })))
    const respond = getRequestListener(app.fetch)
    const server = createServer(serverOptions, (request, response) => {
      if (normaliseTarget(request)) void respond(request, response)
      else response.writeHead(400, { Connection: "close", "Content-Length": 0 }).end()
    })
    server.maxConnections = connectionLimit
    server.once("listening", () => resume(Effect.succeed(server)))
    // Also later: a connection that cannot be accepted must not end the process.
    server.on("error", failed)
    server.listen(port, host)
  })

/** Error codes for an IPv6 socket on a kernel without IPv6. */
const withoutIpv6 = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"])

/** `::` means all addresses. Without IPv6 on the host, all IPv4 addresses. */
export const openAt = <A, R>(
  host: string,
  openHost: (host: string) => Effect.Effect<A, CannotListen, R>,
): Effect.Effect<A, CannotListen, R> =>
  openHost(host).pipe(
    Effect.catchIf(
      ({ code }) => host === "::" && withoutIpv6.has(code),
      () =>
        Effect.andThen(
          Effect.logInfo("This host has no IPv6: listening at 0.0.0.0").pipe(logEvent("listening-ipv4-only")),
          openHost("0.0.0.0"),
        ),
    ),
  )

/** Lets open requests finish, for at most ten seconds. */
const close = (server: Server) =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
  }).pipe(Effect.timeoutOption("10 seconds"))

const httpServer = (host: string, port: number, reread: ReturnType<typeof rereadSettings>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      yield* reread
      const app = yield* makeApp
      const { state } = yield* Snapshots
      const { watch } = yield* Telemetry
      const gauges = yield* Gauges
      watch({
        outageSince: () => state().failure?.since,
        measure: gauges.measure,
      })
      const { stop } = yield* Lifecycle
      const server = yield* Effect.acquireRelease(
        openAt(host, (at) => open(app, at, port)),
        close,
      )
      const readers = closeStalledReaders(server)
      // Released before the server, so that readiness changes first.
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.logInfo("Stopping").pipe(logEvent("stopping")),
          Effect.sync(() => {
            stop()
            readers.stop()
          }),
        ),
      )
      const bound = server.address()
      const { address, port: boundPort } = typeof bound === "object" && bound !== null ? bound : { address: host, port }
      const url = `http://${bracketed(address)}:${boundPort}`
      yield* Effect.logInfo(`Serving at ${url}`).pipe(logEvent("listening"), Effect.annotateLogs({ url }))
    }),
  )

/** `storage-proxy serve`: serves until a signal ends it. */
export const serve = Command.make(
  "serve",
  {
    config: configFlag,
    host: Flag.String("host").pipe(
      Flag.filter(
        // With an empty host, Node would listen at all addresses: an unset variable in a script must not expose the list.
        (host) => host.trim() !== "",
        () => "Expected an address or a name, got an empty string",
      ),
      withShownDefault("127.0.0.1", "The address to listen at; :: for all IPv6 and IPv4 addresses"),
    ),
    port: Flag.Int("port").pipe(
      Flag.filter(
        (port) => port >= 0 && port <= 65_535,
        (port) => `Expected a port from 0 to 65535, got ${port}`,
      ),
      withShownDefault(8080, "The port, 0 to 65535; 0 for any free port"),
    ),
  },
  Effect.fn(function* ({ config, host, port }) {
    const hangUps = takeHangUps()
    const load = settingsFrom(config)
    const rotating = rotatingSettings(yield* load)
    const { settings } = rotating
    const stamp = yield* stampOf(settings.secretFiles)
    const threshold = yield* logThreshold(settings)
    const reread = rereadSettings({ hangUps, rotating, load, setLogLevel: threshold.set, stamp })
    const telemetry = telemetryFor(settings)
    const { effective, ignoredKeys } = settings
    const changed = effective.filter(({ isDefault }) => !isDefault)
    const configuration = Effect.logInfo(
      `Configuration: ${changed.length} settings, ${effective.length - changed.length} others at their defaults`,
    ).pipe(
      logEvent("configuration"),
      Effect.annotateLogs(Object.fromEntries(changed.map(({ path, value, source }) => [path, `${value} (${source})`]))),
      ignoredKeys.length === 0 ? identity : Effect.annotateLogs({ ignored_keys: ignoredKeys.join(", ") }),
    )
    const warnings = Effect.forEach(
      settings.warnings,
      (warning) => Effect.logWarning(warning).pipe(logEvent("configuration-warning")),
      { discard: true },
    )
    yield* configuration.pipe(
      Effect.andThen(warnings),
      Effect.andThen(endOnCrash),
      Effect.andThen(Layer.launch(httpServer(host, port, reread).pipe(Layer.provide(proxyLayer(settings))))),
      Effect.tapCauseIf(Cause.hasDies, (cause) =>
        Effect.logFatal("Ended unexpectedly", cause).pipe(logEvent("crashed")),
      ),
      Effect.scoped,
      Effect.catchDefect(() => Effect.fail(new EndedUnexpectedly())),
      Effect.provide(telemetry),
      Effect.provide(logging(settings, threshold.now)),
    )
  }),
).pipe(
  Command.withDescription("Serve the storage resources over HTTP"),
  Command.withExamples([
    {
      command: "storage-proxy serve --config config.yaml --host :: --port 8080",
      description: "Serve at all addresses",
    },
  ]),
)

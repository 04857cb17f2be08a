import type { Server } from "node:http"
import { Gauges, Lifecycle, logEvent, makeApp, proxyLayer, Snapshots } from "@cscs/proxy-server"
import { serve as listen, type ServerType } from "@hono/node-server"
import { Cause, Data, Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import type { Hono } from "hono"
import { configFlag, logging, settingsFrom } from "./configuration.ts"
import { lastWords } from "./last-words.ts"
import { holdHeapSmall } from "./small-heap.ts"
import { closeStalledReaders } from "./stalled-readers.ts"
import { Telemetry, telemetryFor } from "./telemetry/telemetry.ts"

/** The address cannot be listened at. */
export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly host: string
  readonly port: number
  readonly code: string
}> {
  override get message() {
    return `Cannot listen at ${this.host}:${this.port}: ${reasons[this.code] ?? this.code}`
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there; choose another --port",
  ERR_SOCKET_BAD_PORT: "a port is a number from 0 to 65535",
}

/** A fault of ours ended it. */
class EndedUnexpectedly extends Data.TaggedError("EndedUnexpectedly") {
  override readonly message = "Ended unexpectedly: the last line of the log says why"
}

/** A provisioner sends a line and a few headers, at once: who sends more or takes longer is not one. */
const serverOptions = {
  // Request line and headers together, in bytes: a longer request is a 431.
  maxHeaderSize: 16 * 1024,
  // Milliseconds until the headers, and until the whole request, must be there.
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Milliseconds that a silent connection may stay: longer than a balancer keeps its own.
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 5_000,
}

/** A connection takes some 50 kB: more are dropped, rather than that all end for want of memory. */
const mostConnections = 2_000

const open = (app: Hono, host: string, port: number) =>
  Effect.callback<ServerType, CannotListen>((resume) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new CannotListen({ host, port, code: error.code ?? error.message })))
    try {
      const server = listen({ fetch: app.fetch, hostname: host, port, serverOptions })
      server.maxConnections = mostConnections
      server.once("listening", () => resume(Effect.succeed(server)))
      server.once("error", failed)
    } catch (error) {
      // A port that none can be is thrown, not told.
      failed(error as NodeJS.ErrnoException)
    }
  })

/** Lets open requests finish, ten seconds at most. */
const close = (server: ServerType) =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
  }).pipe(Effect.timeoutOption("10 seconds"))

const httpServer = (host: string, port: number) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      yield* Effect.forkScoped(holdHeapSmall)
      const app = yield* makeApp
      const { held } = yield* Snapshots
      const { watch } = yield* Telemetry
      const gauges = yield* Gauges
      watch({
        outageSince: () => held().failure?.since,
        measure: gauges.measure,
      })
      const { stop } = yield* Lifecycle
      const server = yield* Effect.acquireRelease(open(app, host, port), close)
      const readers = closeStalledReaders(server as Server)
      // Released before the server: readiness turns first.
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.logInfo("Stopping").pipe(logEvent("stopping")),
          Effect.sync(() => {
            stop()
            readers.stop()
          }),
        ),
      )
      const address = server.address()
      const shown = typeof address === "object" && address !== null ? address.port : port
      const url = `http://${host.includes(":") ? `[${host}]` : host}:${shown}`
      yield* Effect.logInfo(`Serving at ${url}`).pipe(logEvent("listening"), Effect.annotateLogs({ url }))
    }),
  )

/** `storage-proxy serve`: answers until a signal ends it. */
export const serve = Command.make(
  "serve",
  {
    config: configFlag,
    host: Flag.String("host").pipe(Flag.withDescription("The address to listen at"), Flag.withDefault("127.0.0.1")),
    port: Flag.Int("port").pipe(Flag.withDescription("The port; 0 for any"), Flag.withDefault(8080)),
  },
  Effect.fn(function* ({ config, host, port }) {
    const settings = yield* settingsFrom(config)
    const telemetry = yield* telemetryFor(settings)
    const { effective } = settings
    const configuration = Effect.logInfo("Configuration").pipe(
      logEvent("configuration"),
      Effect.annotateLogs(
        Object.fromEntries(effective.map(({ path, value, source }) => [path, `${value} (${source})`])),
      ),
    )
    const said = Effect.forEach(
      settings.warnings,
      (warning) => Effect.logWarning(warning).pipe(logEvent("configuration-warning")),
      { discard: true },
    )
    yield* configuration.pipe(
      Effect.andThen(said),
      Effect.andThen(lastWords),
      Effect.andThen(Layer.launch(httpServer(host, port).pipe(Layer.provide(proxyLayer(settings))))),
      Effect.tapCauseIf(Cause.hasDies, (cause) =>
        Effect.logFatal("Ended unexpectedly", cause).pipe(logEvent("crashed")),
      ),
      Effect.scoped,
      Effect.catchDefect(() => Effect.fail(new EndedUnexpectedly())),
      Effect.provide(telemetry),
      Effect.provide(logging(settings)),
    )
  }),
).pipe(
  Command.withDescription("Serve the storage resources over HTTP"),
  Command.withExamples([
    {
      command: "storage-proxy serve --config config.yaml --host 0.0.0.0 --port 8080",
      description: "Serve on all addresses",
    },
  ]),
)

/** A connection to the Valkey or Redis that replicas share. */
import { addressTimeout, redactor, type Secret, secretNow, serverName } from "@cscs/http-transport"
import { Clock, Duration, Effect, Metric, Schema, type Scope } from "effect"
import { logEvent } from "../observability/log-events.ts"
import { loginIn } from "../observability/mask-secrets.ts"

/** The Valkey or Redis did not respond, or refused. */
export class SharedCacheUnavailable extends Schema.TaggedError<SharedCacheUnavailable>()("SharedCacheUnavailable", {
  detail: Schema.String,
}) {
  override get message() {
    return `the shared cache (cache.url) fails: ${this.detail}`
  }
}

type Reply<A> = Effect.Effect<A, SharedCacheUnavailable>

/** Limits of the values that one call returns, in bytes. */
export interface Limits {
  readonly each: number
  readonly inAll: number
}

/** A connection to a Valkey or Redis that reconnects by itself; calls fail at once while it is down. */
export interface RedisConnection {
  /**
   * `undefined` for a key that is absent, holds no text, or is larger than `atMost`: then its value is not transferred.
   */
  readonly getAll: (keys: ReadonlyArray<string>, atMost: Limits) => Reply<ReadonlyArray<Buffer | undefined>>
  /** Sets keys that expire. */
  readonly setAll: (
    values: ReadonlyArray<readonly [key: string, value: Buffer]>,
    livesFor: Duration.Input,
  ) => Reply<void>
  /** Extends the keys' lifetimes; returns for each whether it exists. */
  readonly touchAll: (keys: ReadonlyArray<string>, livesFor: Duration.Input) => Reply<ReadonlyArray<boolean>>
  /** Whether all of them exist. */
  readonly areThere: (keys: ReadonlyArray<string>) => Reply<boolean>
  readonly removeAll: (keys: ReadonlyArray<string>) => Reply<void>
  /** Runs a script atomically; it returns a list of strings, `null` for absent ones. */
  readonly run: (
    script: string,
    keys: ReadonlyArray<string>,
    values: ReadonlyArray<string>,
  ) => Reply<ReadonlyArray<string | null>>
  /** The current failure, in words; `undefined` if there is none. */
  readonly degradation: () => string | undefined
}

/** For a call, and for the first connection: after that, reading the upstreams is the better choice. */
const patience: Duration.Input = "2 seconds"

const up = Metric.gauge("shared_cache_up", { description: "1 if the Valkey or Redis of cache.url responds." })

/** Characters of an error that are shown: a server can send any text. */
const longestDetail = 300

/** Measures the values on the server: too large a value must not be transferred first. */
const getScript = `
  local found, left = {}, tonumber(ARGV[2])
  for index, key in ipairs(KEYS) do
    -- One at a time, so that at most one oversized value is held; "mget", because it does not fail for other types.
    local value = redis.call('mget', key)[1]
    found[index] = false
    if value and #value <= tonumber(ARGV[1]) and #value <= left then
      left = left - #value
      found[index] = value
    end
  end
  return found`

const texts = Schema.decodeUnknownEffect(Schema.Array(Schema.NullOr(Schema.String)))

/** Connects, and waits briefly for the connection. */
export const redisConnection = Effect.fnUntraced(function* (
  url: Secret,
): Effect.fn.Return<RedisConnection, never, Scope.Scope> {
  const { failing, working, degradation } = cacheHealth(url)
  const { client, binary, lastError, connectAnew } = yield* redisClient(url)
  /** @param decode fails for a reply of a wrong kind, as if there were none */
  const callAs = <A, B>(ask: () => Promise<A>, decode: (reply: A) => Effect.Effect<B, unknown>): Reply<B> =>
    Effect.tryPromise({ try: ask, catch: (cause) => (client.isReady ? cause : (lastError() ?? cause)) }).pipe(
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => {
          connectAnew()
          return Effect.fail<unknown>(lastError() ?? noResponse)
        },
      }),
      Effect.flatMap(decode),
      Effect.catch(failing),
      Effect.tap(working),
    )
  const call = <A>(ask: () => Promise<A>): Reply<A> => callAs(ask, Effect.succeed)

  yield* Metric.update(up, 1)
  // It keeps trying in the background; the start waits no longer than the timeout.
  const connecting = client.connect()
  connecting.catch(() => undefined)
  yield* Effect.ignore(call(() => connecting))

  return {
    degradation,
    getAll: (keys, { each, inAll }) =>
      keys.length === 0
        ? Effect.succeed([])
        : callAs(
            () => binary.eval(getScript, { keys: [...keys], arguments: [String(each), String(inAll)] }),
            (reply: unknown) =>
              Array.isArray(reply) && reply.length === keys.length
                ? Effect.succeed(reply.map((one: unknown) => (Buffer.isBuffer(one) ? one : undefined)))
                : Effect.fail("it does not return a list of values"),
          ),
    setAll: (values, livesFor) => {
      if (values.length === 0) return Effect.void
      const expiration = { type: "PX", value: Duration.toMillis(livesFor) } as const
      return Effect.asVoid(
        call(() => Promise.all(values.map(([key, value]) => client.set(key, value, { expiration })))),
      )
    },
    touchAll: (keys, livesFor) => {
      const millis = Duration.toMillis(livesFor)
      const touched = call(() => Promise.all(keys.map((key) => client.pExpire(key, millis))))
      return Effect.map(touched, (replies) => replies.map((reply) => reply === 1))
    },
    areThere: (keys) =>
      Effect.map(
        call(() => client.exists([...keys])),
        (count) => count === keys.length,
      ),
    removeAll: (keys) => Effect.asVoid(call(() => client.del([...keys]))),
    run: (script, keys, values) =>
      callAs(() => client.eval(script, { keys: [...keys], arguments: [...values] }), texts),
  }
})

/** Logs and counts when the cache fails for the first time, and when it works again. */
const cacheHealth = (url: Secret) => {
  let degradation: string | undefined
  let since = 0
  // Only the password: the forms of the whole URL contain the host, which an error must name.
  const masked = (text: string) => redactor(loginIn(secretNow(url)))(text).replace(/\p{Cc}/gu, " ")
  return {
    failing: Effect.fnUntraced(function* (cause: unknown) {
      const text = cause instanceof Error ? cause.message || cause.name : String(cause)
      const detail = masked(text).slice(0, longestDetail)
      const isFirst = degradation === undefined
      degradation = detail
      if (isFirst) {
        since = yield* Clock.currentTimeMillis
        yield* Metric.update(up, 0)
        yield* Effect.logError("The shared cache has failed; this replica reads the upstreams itself").pipe(
          logEvent("shared-cache-unavailable"),
          Effect.annotateLogs({ error: detail }),
        )
      }
      return yield* new SharedCacheUnavailable({ detail })
    }),
    working: Effect.suspend(() => {
      if (degradation === undefined) return Effect.void
      degradation = undefined
      const log = Effect.logInfo("The shared cache works again").pipe(logEvent("shared-cache-available"))
      return Effect.andThen(Metric.update(up, 1), log)
    }),
    degradation: () =>
      degradation === undefined
        ? undefined
        : `the shared cache has failed since ${new Date(since).toISOString()}: ${degradation}`,
  }
}

const noResponse = `no response within ${Duration.toSeconds(patience)} s`

/** The library's client, not yet connected. It is loaded only here, since few deployments need it. */
const redisClient = Effect.fnUntraced(function* (url: Secret) {
  const { createClient, RESP_TYPES } = yield* Effect.promise(() => import("@redis/client"))
  let lastError: unknown
  const create = () =>
    createClient({
      ...withCredentials(url),
      RESP: 2,
      name: "storage-proxy",
      // While it is down, each replica reads the upstreams itself: calls must not queue.
      disableOfflineQueue: true,
      socket: {
        ...addressing(secretNow(url)),
        reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 2000) + Math.random() * 200,
      },
    }).on("error", (error) => {
      lastError = error
    })
  const client = yield* Effect.acquireRelease(Effect.sync(create), (client) => Effect.sync(() => client.destroy()))
  return {
    client,
    binary: client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }),
    lastError: () => lastError,
    /** A connection can die silently; TCP itself needs a quarter of an hour to notice. */
    connectAnew: () => {
      if (!client.isReady) return
      lastError = noResponse
      client.destroy()
      client.connect().catch(() => undefined)
    },
  }
})

/**
 * How one of its addresses is resolved, within the total timeout; and its name for TLS, which the library does not set.
 */
const addressing = (url: string) => {
  const connectTimeout = Duration.toMillis(patience)
  const servername = serverName(new URL(url).hostname)
  return {
    connectTimeout,
    autoSelectFamilyAttemptTimeout: addressTimeout(connectTimeout),
    ...(servername === undefined ? {} : { servername }),
  }
}

/** The URL without its login, and the login as of each connection: a rotated password needs no new client. */
const withCredentials = (url: Secret) => {
  const bare = new URL(secretNow(url))
  if (bare.username === "" && bare.password === "") return { url: bare.href }
  bare.username = ""
  bare.password = ""
  return {
    url: bare.href,
    credentialsProvider: {
      type: "async-credentials-provider",
      credentials: async () => {
        const { username, password } = new URL(secretNow(url))
        return {
          ...(username === "" ? {} : { username: decodeURIComponent(username) }),
          ...(password === "" ? {} : { password: decodeURIComponent(password) }),
        }
      },
    },
  } as const
}

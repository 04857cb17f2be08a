import { access, constants } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect, Logger } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { redisConnection } from "../snapshot/redis-connection.ts"
import type { CheckResult } from "./check-result.ts"

/** Whether what `cache.path` and `cache.url` name can be used; nothing where neither is configured. Writes nothing. */
export const checkCache = ({ cache: { path, url } }: ProxySettings): Effect.Effect<ReadonlyArray<CheckResult>> =>
  Effect.map(
    Effect.all([path === undefined ? noResult : checkPath(path), url === undefined ? noResult : checkShared(url)]),
    (results) => results.flat(),
  )

const noResult: Effect.Effect<ReadonlyArray<CheckResult>> = Effect.succeed([])

const checkPath = (path: string): Effect.Effect<ReadonlyArray<CheckResult>> => {
  const name = "cache.path"
  const directory = dirname(path)
  return Effect.tryPromise({
    try: () => access(directory, constants.W_OK | constants.X_OK),
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause)),
  }).pipe(
    Effect.as([{ name, ok: true, detail: `${directory} can be written to` }]),
    Effect.catch((detail) =>
      Effect.succeed([
        {
          name,
          ok: false,
          detail,
          advice: `Create ${directory}, for the user who runs the proxy, with the mode 0700.`,
        },
      ]),
    ),
  )
}

const checkShared = (url: NonNullable<ProxySettings["cache"]["url"]>): Effect.Effect<ReadonlyArray<CheckResult>> => {
  const name = "cache.url"
  return redisConnection(url).pipe(
    Effect.flatMap(({ getAll }) => getAll(["storage-proxy:check"])),
    Effect.as([{ name, ok: true, detail: "it answers" }]),
    Effect.catch(({ detail }) =>
      Effect.succeed([
        { name, ok: false, detail, advice: "Check cache.url, its password, its certificate, and the way there." },
      ]),
    ),
    Effect.scoped,
    // What it would log is the result.
    Effect.provide(Logger.layer([])),
  )
}

import { access, constants } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect, Logger } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { directoryProblem, mustBeReplaceable } from "../persistence/own-file.ts"
import { redisConnection } from "../replication/redis-connection.ts"
import type { CheckResult } from "./check-result.ts"

/** Checks that `cache.path` and `cache.url` are usable; returns nothing if neither is configured. Writes nothing. */
export const checkCache = ({ cache: { path, url } }: ProxySettings): Effect.Effect<ReadonlyArray<CheckResult>> =>
  Effect.map(
    Effect.all([path === undefined ? noResult : checkPath(path), url === undefined ? noResult : checkShared(url)]),
    (results) => results.flat(),
  )

const noResult: Effect.Effect<ReadonlyArray<CheckResult>> = Effect.succeed([])

const checkPath = (path: string): Effect.Effect<ReadonlyArray<CheckResult>> => {
  const name = "cache.path"
  const directory = dirname(path)
  const failed = (detail: string, advice: string): ReadonlyArray<CheckResult> => [{ name, ok: false, detail, advice }]
  return Effect.promise(async () => {
    try {
      await access(directory, constants.W_OK | constants.X_OK)
    } catch (cause) {
      return failed(inWords(cause), `Create ${directory}, owned by the proxy's user, with mode 0700.`)
    }
    try {
      for (const one of [path, `${path}.tmp`]) await mustBeReplaceable(one)
    } catch (cause) {
      return failed(
        inWords(cause),
        "The proxy neither reads nor replaces it: only a file of its own user that no other user may write.",
      )
    }
    const unsafe = await directoryProblem(path)
    return [
      { name, ok: true, detail: `${directory} can be written to${unsafe === undefined ? "" : `, but ${unsafe}`}` },
    ]
  })
}

const inWords = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const checkShared = (url: NonNullable<ProxySettings["cache"]["url"]>): Effect.Effect<ReadonlyArray<CheckResult>> => {
  const name = "cache.url"
  return redisConnection(url).pipe(
    Effect.flatMap(({ getAll }) => getAll(["storage-proxy:check"], { each: 1, inAll: 1 })),
    Effect.as([{ name, ok: true, detail: "it responds" }]),
    Effect.catch(({ detail }) =>
      Effect.succeed([
        { name, ok: false, detail, advice: "Check cache.url, its password, its certificate, and the network path." },
      ]),
    ),
    Effect.scoped,
    // The result contains what would be logged.
    Effect.provide(Logger.layer([])),
  )
}

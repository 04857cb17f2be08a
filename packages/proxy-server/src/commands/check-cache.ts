import { access, constants } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect, Logger } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { directoryProblem, mustBeReplaceable } from "../persistence/own-file.ts"
import { redisConnection } from "../replication/redis-connection.ts"
import { attempted, type CheckResult, failed, passed } from "./check-result.ts"

/** Checks that `cache.path` and `cache.url` are usable; returns nothing if neither is configured. Writes nothing. */
export const checkCache = ({ cache: { path, url } }: ProxySettings): Effect.Effect<ReadonlyArray<CheckResult>> =>
  Effect.all([
    ...(path === undefined ? [] : [Effect.promise(() => checkPath(path))]),
    ...(url === undefined ? [] : [checkShared(url)]),
  ])

const checkPath = async (path: string): Promise<CheckResult> => {
  const name = "cache.path"
  const directory = dirname(path)
  try {
    await access(directory, constants.W_OK | constants.X_OK)
  } catch (cause) {
    return failed(
      name,
      inWords(cause),
      `Make sure that ${directory} exists, belongs to the proxy's user and has mode 0700.`,
    )
  }
  try {
    for (const one of [path, `${path}.tmp`]) await mustBeReplaceable(one)
  } catch (cause) {
    return failed(
      name,
      inWords(cause),
      "The proxy neither reads nor replaces it: only a file of its own user that no other user may write.",
    )
  }
  const unsafe = await directoryProblem(path)
  return passed(name, `${directory} can be written to${unsafe === undefined ? "" : `, but ${unsafe}`}`)
}

const inWords = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const checkShared = (url: NonNullable<ProxySettings["cache"]["url"]>): Effect.Effect<CheckResult> =>
  attempted(
    "cache.url",
    "one value",
    Effect.flatMap(redisConnection(url), ({ getAll }) => getAll(["storage-proxy:check"], { each: 1, inAll: 1 })).pipe(
      Effect.mapError(({ detail }) => ({ message: detail })),
    ),
    "it responds",
    () => "Check cache.url, its password, its certificate, and the network path.",
  ).pipe(
    Effect.scoped,
    // The result contains what would be logged.
    Effect.provide(Logger.layer([])),
  )

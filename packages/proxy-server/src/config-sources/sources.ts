/** Reads the sources of the configuration: the environment, `.env` and the YAML file. */
import { constants } from "node:fs"
import { lstat } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { type FileFacts, readBoundedFile, type UnreadableFile } from "./bounded-file.ts"
import { ConfigurationInvalid } from "./configuration-invalid.ts"
import { type Dotenv, parseDotenv } from "./dotenv.ts"
import { unwrapped } from "./unwrapped.ts"
import { NoYamlMapping, yamlMapping } from "./yaml-document.ts"

/** The sources of the configuration. */
export interface ConfigurationSources {
  /** The YAML file; else the one that the environment's `configVariable` names; else none. */
  readonly configPath?: string
  /** Default `WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH`. */
  readonly configVariable?: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The directory of an optional `.env` file. */
  readonly workingDirectory: string
}

/** A value and its source, in words. */
export interface Sourced<A> {
  readonly value: A
  readonly source: string
  /** The file that contained it, if any. */
  readonly file?: string | undefined
}

/** The sources as read. */
export interface ReadSources {
  /**
   * A variable of the environment, else of the `.env` file, as written; `undefined` if it is empty or contains only
   * quotes.
   */
  readonly variable: (name: string) => Sourced<string> | undefined
  /** The environment over the `.env` file, without quotes and white space around values. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The YAML file's path; `undefined` if there is none. */
  readonly file: string | undefined
  readonly document: Readonly<Record<string, unknown>>
  /** Warnings about the sources for the operator. */
  readonly warnings: ReadonlyArray<string>
}

/** Reads the environment, `.env` and the YAML file. Fails if a file exists and cannot be read or parsed. */
export const readSources = Effect.fnUntraced(function* (
  sources: ConfigurationSources,
): Effect.fn.Return<ReadSources, ConfigurationInvalid> {
  const dotenvPath = join(sources.workingDirectory, ".env")
  const { values, unreadable } = yield* readDotenv(dotenvPath, sources.environment)
  const dotenv = withoutEmpty(values)
  const environment = withoutEmpty(sources.environment)
  const variable = (name: string): Sourced<string> | undefined => {
    const own = environment[name]
    if (own !== undefined) return { value: own, source: `environment variable ${name}` }
    const value = dotenv[name]
    return value === undefined ? undefined : { value, source: `${name} in .env`, file: dotenvPath }
  }
  const named = variable(sources.configVariable ?? "WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH")?.value
  const file = sources.configPath ?? (named === undefined ? undefined : unwrapped(named))
  const document = file === undefined ? {} : yield* readYaml(file)
  const variables = Object.entries({ ...dotenv, ...environment }).map(([name, value]) => [name, unwrapped(value)])
  const warnings = unreadable.map((line) => `.env: line ${line} is neither a variable nor a comment, and has no effect`)
  return { variable, variables: Object.fromEntries(variables), file, document, warnings: shortList(warnings) }
})

/** The first warnings, and the number of the remaining ones. */
export const shortList = (warnings: ReadonlyArray<string>, most = 20): ReadonlyArray<string> =>
  warnings.length <= most ? warnings : [...warnings.slice(0, most), `and ${warnings.length - most} more of that kind`]

/** An empty variable counts as unset: container platforms write "not given" that way. */
const withoutEmpty = (variables: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) =>
      value === undefined || unwrapped(value) === "" ? [] : [[name, value] as const],
    ),
  )

/**
 * Why a `.env` file must not be read; `undefined` if it may be. It is in the directory in which the process was
 * started, and its writer decides which callers may read the list and where the secrets are sent.
 *
 * @param ownUid of this process; `undefined` on a platform without users
 */
export const dotenvFault = ({ uid, mode }: FileFacts, ownUid: number | undefined): string | undefined => {
  if (ownUid === undefined) return undefined
  if (uid !== ownUid && uid !== 0) return `it belongs to another user (uid ${uid})`
  return (mode & 0o022) === 0 ? undefined : `others may write it (mode ${(mode & 0o777).toString(8).padStart(4, "0")})`
}

const readDotenv = Effect.fnUntraced(function* (
  path: string,
  environment: ConfigurationSources["environment"],
): Effect.fn.Return<Dotenv, ConfigurationInvalid> {
  const ownUid = process.getuid?.()
  const found = yield* Effect.promise(() => lstat(path).catch(() => undefined))
  // Most installations have none, and a directory of that name is often Python's.
  if (found === undefined || found.isDirectory()) return { values: {}, unreadable: [] }
  const refused = (reason: string) =>
    new ConfigurationInvalid({
      problems: [
        {
          path,
          source: "the file",
          found: reason,
          allowed: "a file of this process's user or of root, which no other user may write (chmod go-w)",
        },
      ],
    })
  if (found.isSymbolicLink()) {
    // A link's own mode is irrelevant; write access to its target is checked below.
    const fault = dotenvFault({ uid: found.uid, mode: 0 }, ownUid)
    if (fault !== undefined) return yield* refused(`a symbolic link: ${fault}`)
  }
  const text = yield* readBoundedFile(path, {
    refusal: (facts) => dotenvFault(facts, ownUid),
    flags: found.isSymbolicLink() ? 0 : constants.O_NOFOLLOW,
  }).pipe(Effect.mapError(({ reason }) => refused(reason)))
  return parseDotenv(text, environment)
})

/**
 * Bytes of a YAML file: one with a hundred storage systems has 10 kB, and a file of this size takes a second to read.
 */
const largestDocument = 256 * 1024

const readYaml = Effect.fnUntraced(function* (
  path: string,
): Effect.fn.Return<Readonly<Record<string, unknown>>, ConfigurationInvalid> {
  const unreadable = (found: string) =>
    new ConfigurationInvalid({ problems: [{ path, source: "the file", found, allowed: "a readable YAML mapping" }] })
  const text = yield* readBoundedFile(path, { most: largestDocument }).pipe(
    Effect.mapError(({ reason }: UnreadableFile) => unreadable(reason)),
  )
  return yield* Effect.try({
    try: () => yamlMapping(text),
    catch: (cause) => unreadable(cause instanceof NoYamlMapping ? cause.message : "no YAML"),
  })
})

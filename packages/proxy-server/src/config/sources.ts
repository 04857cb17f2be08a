import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { Effect } from "effect"
import { parseDocument } from "yaml"
import { ConfigurationInvalid } from "./configuration-invalid.ts"

/** Where the configuration comes from. */
export interface ConfigurationSources {
  /** The YAML file; else the environment's `WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH`; else none. */
  readonly configPath?: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where a `.env` file may be. */
  readonly workingDirectory: string
}

/** A value and where it stood, in words. */
export interface Sourced<A> {
  readonly value: A
  readonly source: string
}

/** The sources as they were read. */
export interface ReadSources {
  /** A variable of the environment, else of the `.env` file. */
  readonly variable: (name: string) => Sourced<string> | undefined
  /** The environment over the `.env` file. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The YAML file's path; `undefined` where there is none. */
  readonly file: string | undefined
  readonly document: Readonly<Record<string, unknown>>
}

/** Reads the environment, `.env` and the YAML file. Fails where the file cannot be read as a mapping. */
export const readSources = Effect.fnUntraced(function* (
  sources: ConfigurationSources,
): Effect.fn.Return<ReadSources, ConfigurationInvalid> {
  const dotenv = yield* readDotenv(join(sources.workingDirectory, ".env"))
  const environment = withoutEmpty(sources.environment)
  const variable = (name: string): Sourced<string> | undefined => {
    const own = environment[name]
    if (own !== undefined) return { value: own, source: `environment variable ${name}` }
    const value = dotenv[name]
    return value === undefined ? undefined : { value, source: `${name} in .env` }
  }
  const file = sources.configPath ?? variable("WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH")?.value
  const document = file === undefined ? {} : yield* readYaml(file)
  return { variable, variables: { ...dotenv, ...environment }, file, document }
})

/** An empty variable is unset: that is how container platforms write "not given". */
const withoutEmpty = (variables: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined && value !== ""))

const readDotenv = (path: string) =>
  Effect.tryPromise(() => readFile(path, "utf8")).pipe(
    Effect.map((content) => withoutEmpty(parseEnv(content))),
    // Most installations have none.
    Effect.orElseSucceed(() => withoutEmpty({})),
  )

const readYaml = Effect.fnUntraced(function* (
  path: string,
): Effect.fn.Return<Readonly<Record<string, unknown>>, ConfigurationInvalid> {
  const unreadable = (found: string) =>
    new ConfigurationInvalid({ problems: [{ path, source: "the file", found, allowed: "a readable YAML mapping" }] })
  const content = yield* Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) => unreadable(cause instanceof Error ? cause.message : String(cause)),
  })
  const document = parseDocument(content)
  const [error] = document.errors
  if (error !== undefined) return yield* unreadable(error.message.split("\n")[0] ?? "")
  const value = yield* Effect.try({
    try: (): unknown => {
      const made: unknown = document.toJS()
      // Fails where an alias leads a value back into itself.
      JSON.stringify(made)
      return made
    },
    // The fault's own words would show the alias: `*` before a secret that nobody quoted makes it one.
    catch: () => unreadable("an alias (*name) that leads nowhere, or back to itself"),
  })
  if (value === null) return {}
  if (typeof value !== "object" || Array.isArray(value)) return yield* unreadable("no mapping")
  return value as Readonly<Record<string, unknown>>
})

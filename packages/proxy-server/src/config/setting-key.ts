/** One setting of a table: its names, its type and its default. */
import type { SettingType } from "./setting-types.ts"

/** One setting: its place in the YAML file and the environment, its type, and its default. */
export interface SettingKey<A> {
  /** In the YAML file: `cache.fresh_for`. */
  readonly path: string
  /** In the environment. A secret can also be given in a file, named by the variable `<name>_FILE`. */
  readonly variable: string
  readonly type: SettingType<A>
  readonly fallback: A
  readonly isSecret: boolean
  readonly description: string
}

interface About {
  /** If the other implementations use a different name from the path in capitals. */
  readonly variable?: string
  readonly description: string
}

/** A setting that always has a value. */
export const keyWithDefault = <A>(path: string, type: SettingType<A>, fallback: A, about: About): SettingKey<A> => ({
  path,
  variable: about.variable ?? path.replaceAll(".", "_").toUpperCase(),
  type,
  fallback,
  isSecret: type.isSecret === true,
  description: about.description,
})

/** A setting that may have no value. */
export const key = <A>(path: string, type: SettingType<A>, about: About): SettingKey<A | undefined> =>
  keyWithDefault<A | undefined>(path, type, undefined, about)

/** The settings of a program. */
export interface SettingsTable<
  Keys extends Readonly<Record<string, SettingKey<unknown>>> = Readonly<Record<string, SettingKey<unknown>>>,
> {
  readonly keys: Keys
  /** Older places of keys by their path, read if the key's section is absent. */
  readonly olderPaths?: Readonly<Record<string, string>>
  /** Further known paths of the file, which no key reads by itself. */
  readonly furtherPaths?: ReadonlyArray<string>
}

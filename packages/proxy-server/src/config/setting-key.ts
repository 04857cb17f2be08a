/** One setting of a table: its names, its type and its default. */
import type { SettingType } from "./setting-types.ts"

/** One setting: its place in the YAML file and the environment, its type, and its default. */
export interface SettingKey<A> {
  /** In the YAML file, such as `cache.fresh_for`. */
  readonly path: string
  /** In the environment. A secret can also be given in a file, named by the variable `<name>_FILE`. */
  readonly variable: string
  readonly type: SettingType<A>
  /** The value if none is given. */
  readonly fallback: A
  readonly isSecret: boolean
  readonly description: string
}

interface About {
  /** The environment variable, if the Python versions name it differently; default: the path in capitals, with `_` for `.`. */
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
  /** Older paths by the current one; read if the file lacks the current path's section. */
  readonly olderPaths?: Readonly<Record<string, string>>
  /** Further known paths of the file, without a key of their own, so that a misspelling is found. */
  readonly furtherPaths?: ReadonlyArray<string>
}

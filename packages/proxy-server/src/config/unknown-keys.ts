/** Finds keys of a YAML file that no setting has. */
import { isJsonObject, property } from "@cscs/storage-model"
import type { ConfigurationProblem } from "../config-sources/configuration-invalid.ts"
import { nearestNames } from "./nearest-names.ts"
import type { SettingsTable } from "./setting-key.ts"
import { shownName } from "./shown-value.ts"

/** Keys of a YAML file that no setting has. */
interface UnknownKeys {
  /** Keys so similar to a known one that they are certainly typos, and sections that are not mappings. */
  readonly misspelt: ReadonlyArray<ConfigurationProblem>
  /** Keys of other programs or versions: an old file still works. */
  readonly ignored: ReadonlyArray<string>
}

/** Finds the keys of a YAML document that no setting has, at the top and within each section. */
export const unknownKeys = (
  { keys, olderPaths = {}, furtherPaths = [] }: SettingsTable,
  document: Readonly<Record<string, unknown>>,
  file: string,
): UnknownKeys => {
  const settings = [...Object.values(keys).map(({ path }) => path), ...Object.values(olderPaths)]
  const sections = new Set(
    settings.filter((path) => path.includes(".")).map((path) => path.slice(0, path.indexOf("."))),
  )
  const paths = Object.entries(document).flatMap(([name, value]) =>
    sections.has(name) && isJsonObject(value) ? Object.keys(value).map((inner) => `${name}.${inner}`) : [name],
  )
  for (const parent of new Set(furtherPaths.map((path) => path.slice(0, path.lastIndexOf("."))))) {
    const inner = parent.split(".").reduce<unknown>(property, document)
    if (isJsonObject(inner)) paths.push(...Object.keys(inner).map((name) => `${parent}.${name}`))
  }
  const flat = Object.entries(document).filter(
    ([name, value]) => sections.has(name) && value !== null && !isJsonObject(value),
  )
  const known = [...settings, ...furtherPaths, ...sections]
  const unknown = paths.filter((path) => !known.includes(path))
  const misspelt = flat.map(
    ([path]): ConfigurationProblem => ({ path, source: file, found: "no mapping", allowed: "a mapping" }),
  )
  const ignored: Array<string> = []
  for (const path of unknown) {
    const [nearest] = nearestNames(path, known, 2)
    if (nearest === undefined) ignored.push(path)
    else
      misspelt.push({
        path: shownName(path),
        source: file,
        found: "an unknown key",
        allowed: `${nearest}, if that is meant`,
      })
  }
  return { misspelt, ignored }
}

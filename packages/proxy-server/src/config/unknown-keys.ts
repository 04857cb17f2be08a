/** Finds keys of a YAML file that no setting has. */
import { isJsonObject } from "@cscs/storage-model"
import { distance } from "fastest-levenshtein"
import type { ConfigurationProblem } from "../config-sources/configuration-invalid.ts"
import { olderHpcUserPaths, settingKeys } from "./setting-keys.ts"
import { shownName } from "./shown-value.ts"

const known = [...Object.values(settingKeys).map(({ path }) => path), ...Object.values(olderHpcUserPaths)]
const sections = new Set(known.filter((path) => path.includes(".")).map((path) => path.slice(0, path.indexOf("."))))

// Two levels down, so not a setting of its own; but a misspelt unit_factor would be ignored silently.
const storageComponent = "backend_components.storage"
const componentKeys = ["measured_unit", "accounting_type", "label", "unit_factor"].map(
  (name) => `${storageComponent}.${name}`,
)

/** Keys of a YAML file that no setting has. */
interface UnknownKeys {
  /** Keys so similar to a known one that they are certainly typos, and sections that are no mappings. */
  readonly misspelt: ReadonlyArray<ConfigurationProblem>
  /** Keys of other programs or versions: an old file still works. */
  readonly ignored: ReadonlyArray<string>
}

/** Finds the keys of a YAML document that no setting has, at the top and within each section. */
export const unknownKeys = (document: Readonly<Record<string, unknown>>, file: string): UnknownKeys => {
  const paths = Object.entries(document).flatMap(([name, value]) =>
    sections.has(name) && isJsonObject(value) ? Object.keys(value).map((inner) => `${name}.${inner}`) : [name],
  )
  const { storage } = isJsonObject(document.backend_components) ? document.backend_components : {}
  if (isJsonObject(storage)) paths.push(...Object.keys(storage).map((name) => `${storageComponent}.${name}`))
  const flat = Object.entries(document).filter(
    ([name, value]) => sections.has(name) && value !== null && !isJsonObject(value),
  )
  const all = new Set([...known, ...componentKeys, ...sections])
  const unknown = paths.filter((path) => !all.has(path))
  const misspelt = flat.map(
    ([path]): ConfigurationProblem => ({ path, source: file, found: "no mapping", allowed: "a mapping" }),
  )
  const ignored: Array<string> = []
  for (const path of unknown) {
    const nearest = nearestOf(path)
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

const nearestOf = (path: string): string | undefined => {
  const candidates = [...known, ...componentKeys, ...sections]
    // The distance is at least the difference in length, and comparing a huge key would take long.
    .filter((candidate) => Math.abs(candidate.length - path.length) <= 2)
    .map((candidate) => ({ candidate, edits: distance(path, candidate) }))
    .filter(({ edits }) => edits <= 2)
  return candidates.sort((a, b) => a.edits - b.edits)[0]?.candidate
}

import { distance } from "fastest-levenshtein"
import type { ConfigurationProblem } from "./configuration-invalid.ts"
import { olderHpcUserPaths, settingKeys } from "./setting-keys.ts"

const known = [...Object.values(settingKeys).map(({ path }) => path), ...Object.values(olderHpcUserPaths)]
const sections = new Set(known.filter((path) => path.includes(".")).map((path) => path.slice(0, path.indexOf("."))))

/** What a YAML file says that no setting has. */
export interface UnknownKeys {
  /** Keys so near to a known one that they are surely meant for it. */
  readonly misspelt: ReadonlyArray<ConfigurationProblem>
  /** Keys of other programs or versions: an old file still starts. */
  readonly ignored: ReadonlyArray<string>
}

/** Finds the keys of a YAML document that no setting has, at the top and within each section. */
export const unknownKeys = (document: Readonly<Record<string, unknown>>, file: string): UnknownKeys => {
  const paths = Object.entries(document).flatMap(([name, value]) =>
    sections.has(name) && typeof value === "object" && value !== null
      ? Object.keys(value).map((inner) => `${name}.${inner}`)
      : [name],
  )
  const unknown = paths.filter((path) => !known.includes(path) && !sections.has(path))
  const misspelt: Array<ConfigurationProblem> = []
  const ignored: Array<string> = []
  for (const path of unknown) {
    const nearest = nearestOf(path)
    if (nearest === undefined) ignored.push(path)
    else misspelt.push({ path, source: file, found: "an unknown key", allowed: `${nearest}, if that is meant` })
  }
  return { misspelt, ignored }
}

const nearestOf = (path: string): string | undefined => {
  const candidates = [...known, ...sections]
    .map((candidate) => ({ candidate, edits: distance(path, candidate) }))
    .filter(({ edits }) => edits <= 2)
  return candidates.sort((a, b) => a.edits - b.edits)[0]?.candidate
}

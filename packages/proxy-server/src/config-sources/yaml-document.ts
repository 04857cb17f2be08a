import { isMap, isNode, isScalar, LineCounter, parseDocument, visit } from "yaml"

/** Why a text is no mapping in YAML, in words; nothing of the text is in it, for a secret may be the fault. */
export class NoYamlMapping extends Error {
  override readonly name = "NoYamlMapping"
}

/** The most that aliases may multiply what they name: a few lines could else grow to gigabytes. */
const mostAliases = 100

/**
 * Reads a YAML mapping: one document, keys that are texts, each once, tags that are YAML's own. Merge keys (`<<`) count, as
 * for the Python versions. An empty text is an empty mapping.
 *
 * @throws NoYamlMapping
 */
export const yamlMapping = (text: string): Readonly<Record<string, unknown>> => {
  try {
    return mappingOf(text)
  } catch (cause) {
    if (cause instanceof NoYamlMapping) throw cause
    // The library's own words would show the alias: `*` before a secret that nobody quoted makes it one.
    throw new NoYamlMapping(
      cause instanceof ReferenceError
        ? "an alias (*name) that leads nowhere or back to itself, or too many aliases"
        : "a structure that is nested too deep, or leads back to itself",
    )
  }
}

const mappingOf = (text: string): Readonly<Record<string, unknown>> => {
  const lineCounter = new LineCounter()
  const at = (offset: number | undefined) => {
    if (offset === undefined) return ""
    const { line, col } = lineCounter.linePos(offset)
    return ` at line ${line}, column ${col}`
  }
  // Its own search for keys that come twice takes quadratic time.
  const document = parseDocument(text, { merge: true, uniqueKeys: false, lineCounter, logLevel: "error" })
  const [fault] = [...document.errors, ...document.warnings]
  if (fault !== undefined) {
    throw new NoYamlMapping(`bad YAML${at(fault.pos[0])} (${fault.code.toLowerCase().replaceAll("_", " ")})`)
  }
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<string>()
      for (const { key } of items) {
        const offset = isNode(key) ? key.range?.[0] : undefined
        if (!isScalar(key)) throw new NoYamlMapping(`a key that is no text${at(offset)}`)
        const name = String(key.value)
        if (seen.has(name)) throw new NoYamlMapping(`bad YAML${at(offset)} (duplicate key)`)
        // Of merge keys there may be several.
        if (key.source !== "<<") seen.add(name)
      }
    },
  })
  if (document.contents !== null && !isMap(document.contents)) {
    if (isScalar(document.contents) && document.contents.value === null) return {}
    throw new NoYamlMapping("no mapping")
  }
  const value: unknown = document.toJS({ maxAliasCount: mostAliases })
  // Fails if an alias leads a value back into itself.
  JSON.stringify(value)
  return (value ?? {}) as Readonly<Record<string, unknown>>
}

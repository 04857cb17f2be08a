/** Parses YAML mappings strictly, within limits, and without quoting their content in errors. */
import { isMap, isNode, isScalar, LineCounter, parseDocument, visit } from "yaml"

/** Why a text is not a YAML mapping, in words that quote nothing of the text, because it may contain a secret. */
export class NoYamlMapping extends Error {
  override readonly name = "NoYamlMapping"
}

/** The maximum expansion by aliases: otherwise a few lines could grow to gigabytes. */
const maxAliases = 100

/**
 * Reads a YAML mapping: one document, unique text keys, only YAML's own tags. Merge keys (`<<`) are supported, as in
 * the Python versions. An empty text is an empty mapping.
 *
 * @throws NoYamlMapping
 */
export const yamlMapping = (text: string): Readonly<Record<string, unknown>> => {
  try {
    return mappingOf(text)
  } catch (cause) {
    if (cause instanceof NoYamlMapping) throw cause
    // The library's message would show the alias: an unquoted secret that begins with `*` is one.
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
  // The library's own search for duplicate keys takes quadratic time.
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
        if (!isScalar(key)) throw new NoYamlMapping(`a key that is not a string${at(offset)}`)
        const name = String(key.value)
        if (seen.has(name)) throw new NoYamlMapping(`bad YAML${at(offset)} (duplicate key)`)
        // Several merge keys are allowed.
        if (key.source !== "<<") seen.add(name)
      }
    },
  })
  if (document.contents !== null && !isMap(document.contents)) {
    if (isScalar(document.contents) && document.contents.value === null) return {}
    throw new NoYamlMapping("no mapping")
  }
  const value: unknown = document.toJS({ maxAliasCount: maxAliases })
  // Fails if an alias makes a value contain itself.
  JSON.stringify(value)
  return (value ?? {}) as Readonly<Record<string, unknown>>
}

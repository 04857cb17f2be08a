import { parseAllDocuments } from "yaml"

/** Parses the YAML documents in a text, without empty ones; throws on the first error. */
// biome-ignore lint/suspicious/noExplicitAny: our own files and those of linters.
export const readYaml = (text: string): ReadonlyArray<any> =>
  [...parseAllDocuments(text)]
    .map((document) => {
      for (const error of document.errors) throw error
      return document.toJS()
    })
    .filter((document) => document !== null)

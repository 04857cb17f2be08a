import { parseAllDocuments } from "yaml"

/** The documents of a text, empty ones skipped; throws at the first error. */
// biome-ignore lint/suspicious/noExplicitAny: our own files, and those of a linter's author.
export const readYaml = (text: string): ReadonlyArray<any> =>
  [...parseAllDocuments(text)]
    .map((document) => {
      for (const error of document.errors) throw error
      return document.toJS()
    })
    .filter((document) => document !== null)

import { parseAllDocuments } from "yaml"

/** The documents of a text, empty ones skipped; throws at the first error. */
export const readYaml = <A>(text: string): ReadonlyArray<A> =>
  [...parseAllDocuments(text)]
    .map((document) => {
      for (const error of document.errors) throw error
      return document.toJS() as A | null
    })
    .filter((document) => document !== null)

import { createRequire } from "node:module"

interface Yaml {
  parseAllDocuments(text: string): ReadonlyArray<{ readonly errors: ReadonlyArray<Error>; toJS(): unknown }>
}

/** The proxy's own reader. */
const yaml: Yaml = createRequire(new URL("../../packages/proxy-server/package.json", import.meta.url))("yaml")

/** The documents of a text, empty ones left out; throws at the first fault. */
export const readYaml = <A>(text: string): ReadonlyArray<A> =>
  yaml
    .parseAllDocuments(text)
    .map((document) => {
      for (const error of document.errors) throw error
      return document.toJS() as A | null
    })
    .filter((document) => document !== null)

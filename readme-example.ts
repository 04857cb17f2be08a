import { readFile } from "node:fs/promises"

/** What a package's README shows to be run as it stands. */
export interface ReadmeExample {
  /** The one block that begins with three backticks and "ts example". */
  readonly source: string
  /** The `text` block right after it, where there is one: what the example prints. */
  readonly prints: string | undefined
}

/** The example of a README: it is a test, and it is what the release rehearsal runs from the installed package. */
export const readmeExample = async (folder: string): Promise<ReadmeExample> => {
  const readme = await readFile(`${folder}/README.md`, "utf8")
  // safe-regex: a README of ours
  const blocks = [...readme.matchAll(/^```(ts example|text)\n([\s\S]*?)^```$/gm)].map(([, kind, text = ""]) => ({
    kind,
    text,
  }))
  const [example, ...more] = blocks.filter(({ kind }) => kind === "ts example")
  if (example === undefined || more.length > 0) {
    throw new Error(`${folder}/README.md has ${more.length === 0 ? "no" : "more than one"} block marked "ts example"`)
  }
  const next = blocks[blocks.indexOf(example) + 1]
  return { source: example.text, prints: next?.kind === "text" ? next.text : undefined }
}

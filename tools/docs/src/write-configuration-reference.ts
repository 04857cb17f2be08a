/**
 * Writes the table in docs/configuration.md, and docs/configuration.schema.json, from the settings' own table. With `--check` it
 * writes nothing, and exits with 1 if they are stale.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { configurationReference, configurationSchema } from "@cscs/proxy-server"

const page = "docs/configuration.md"
const mark = "<!-- settings: written by tools/docs/src/write-configuration-reference.ts -->\n\n"
const endMark = "\n\n<!-- end of settings -->\n"

const text = readFileSync(page, "utf8")
const [before] = text.split(mark)
const [, after] = text.split(endMark)
if (!text.includes(mark) || after === undefined) throw new Error(`${page} lacks the marks of the settings' table`)

const files = {
  [page]: `${before}${mark}${configurationReference()}${endMark}${after}`,
  "docs/configuration.schema.json": `${JSON.stringify(configurationSchema(), null, 2)}\n`,
}

for (const [path, content] of Object.entries(files)) {
  if (!process.argv.includes("--check")) writeFileSync(path, content)
  else if (readFileSync(path, "utf8") !== content) {
    console.error(`${path} is stale; run: node tools/docs/src/write-configuration-reference.ts`)
    process.exitCode = 1
  }
}

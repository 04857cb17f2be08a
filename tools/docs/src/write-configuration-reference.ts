/**
 * Writes the table in docs/configuration.md, and docs/configuration.schema.json, from the table of settings in the code.
 * With `--check` it only reports stale files.
 */
import { readFileSync } from "node:fs"
import { configurationReference, configurationSchema } from "@cscs/proxy-server"
import { writeOrCheck } from "./write-or-check.ts"

const page = "docs/configuration.md"
const mark = "<!-- settings: written by tools/docs/src/write-configuration-reference.ts -->\n\n"
const endMark = "\n\n<!-- end of settings -->\n"

const text = readFileSync(page, "utf8")
const [before] = text.split(mark)
const [, after] = text.split(endMark)
if (!text.includes(mark) || after === undefined) throw new Error(`${page} lacks the marks of the settings' table`)

writeOrCheck({
  [page]: `${before}${mark}${configurationReference()}${endMark}${after}`,
  "docs/configuration.schema.json": `${JSON.stringify(configurationSchema(), null, 2)}\n`,
})

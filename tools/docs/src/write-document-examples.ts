/**
 * Writes the JSON examples in docs/ from a real proxy's responses, with the sandbox as its upstreams; with `--check` it
 * only reports stale files. An example is a block of JSON after one of these comments:
 *
 * - `<!-- entry LABEL -->`: the entry of the sandbox's resource with this label; `tenant of LABEL`, `customer of LABEL`
 * - `<!-- fields LABEL: a, b -->`: some fields of that entry
 * - `<!-- GET PATH -->`: the response body
 */
import { globSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { sandboxEnvironment, startProxy } from "@cscs/harness"
import { startSandbox } from "@cscs/sandbox"
import stringify from "json-stringify-pretty-compact"
import { writeOrCheck } from "./write-or-check.ts"

// safe-regex: reads our own documents
const marked = /<!-- (.+?) -->\n\n?```json\n[\s\S]*?```/g

// biome-ignore lint/suspicious/noExplicitAny: responses of any shape.
type Json = any

const sandbox = await startSandbox()
const proxy = await startProxy({ environment: sandboxEnvironment(sandbox), isReady: true })

const headers = { Accept: "application/x-ndjson" }
const list = await (await fetch(`${proxy.url}/api/storage-resources/`, { headers })).text()
const entries: ReadonlyArray<Json> = list.match(/.+/g)?.map((line) => JSON.parse(line)) ?? []

const entryOf = (label: string): Json => {
  const [uuid] = [...sandbox.world.labels].find(([, one]) => one === label) ?? []
  const found = entries.find(({ itemId }) => itemId.replaceAll("-", "") === uuid)
  if (found === undefined) throw new Error(`the sandbox's list has no ${label}`)
  return found
}
/** The nearest entry of a type above a resource's: its customer or its tenant. */
const above = (label: string, targetType: string): Json =>
  entries.slice(0, entries.indexOf(entryOf(label))).findLast(({ target }) => target.targetType === targetType)

/** By the comment's first words; each makes an example from the rest of the comment. */
const kinds: Readonly<Record<string, (rest: string) => Json>> = {
  entry: entryOf,
  "tenant of": (label) => above(label, "tenant"),
  "customer of": (label) => above(label, "customer"),
  fields: (rest) => {
    const [label = "", names = ""] = rest.split(": ")
    const entry = entryOf(label)
    return Object.fromEntries(names.split(", ").map((name) => [name, entry[name]]))
  },
  GET: async (path) => (await fetch(proxy.url + path)).json(),
}

const exampleOf = (what: string): Json => {
  const [, kind = "", rest = ""] = /^(entry|tenant of|customer of|fields|GET) (.+)$/.exec(what) ?? []
  const example = kinds[kind]
  if (example === undefined) throw new Error(`unknown example <!-- ${what} -->`)
  return example(rest)
}

/** A value stays on one line if it fits into this number of characters. */
const maxLength = 128

/** Replaces what differs between runs and releases: ports and versions. */
const shown = (value: Json): string =>
  stringify(typeof value?.version === "string" ? { ...value, version: "…" } : value, { maxLength }).replaceAll(
    new URL(sandbox.waldur.url).origin,
    "https://waldur.example.org",
  )

const files: Record<string, string> = {}
try {
  for (const path of globSync("docs/*.md")) {
    let text = await readFile(path, "utf8")
    for (const [block, what = ""] of text.matchAll(marked)) {
      const written = `<!-- ${what} -->\n\n\`\`\`json\n${shown(await exampleOf(what))}\n\`\`\``
      text = text.replace(block, () => written)
    }
    files[path] = text
  }
} finally {
  await proxy.stop()
  await sandbox.close()
}
writeOrCheck(files)

import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { logEvents } from "../src/observability/log-events.ts"

const root = join(import.meta.dirname, "../../..")
const clients = "proxy-server,storage-model,waldur-client,hpc-user-client,http-transport"
const text = (path: string) => readFileSync(join(root, path), "utf8")

test("docs/operations.md documents each event code of the log, and no other", () => {
  const [, table = ""] = /\n\| `event` \|.*\n\|---\|---\|\n((?:\|.*\n)+)/.exec(text("docs/operations.md")) ?? []
  const firstCells = table.split("\n").map((row) => row.split("|")[1] ?? "")
  const documented = firstCells.flatMap((cell) => Array.from(cell.matchAll(/`([a-z0-9-]+)`/g), ([, code]) => code))
  expect(documented.toSorted()).toEqual(logEvents.toSorted())
})

test("every line that the server, the process and the upstreams' clients log has an event code of the list", () => {
  const sources = globSync(`{packages/{${clients}},apps/storage-proxy}/src/**/*.ts`, { cwd: root })
  const bare = sources.flatMap((path) => {
    // Comments contain examples.
    const source = text(path).replaceAll(/^ *\*.*$/gm, "")
    const statements = source.split(/(?=\bEffect\.(?:log(?:Info|Warning|Error|Fatal|Debug)?\b|ignoreCause\(\{))/)
    return statements.slice(1).flatMap((statement, index) => {
      // A choice between two levels is one line: `(isNew ? Effect.logInfo : Effect.logDebug)("…")`.
      const isChoice = /^Effect\.log\w+ :/.test(statement)
      // A client, which does not know the server's list, annotates its lines itself.
      const [, code] = /annotateLogs\(\{\s*event: "([a-z0-9-]+)"/.exec(statement) ?? []
      const isListed = statement.includes("logEvent(") || logEvents.some((event) => event === code)
      return isChoice || isListed ? [] : [`${path}: ${statements[index + 1]?.slice(0, 60)}`]
    })
  })
  expect(sources.length).toBeGreaterThan(50)
  expect(bare).toEqual([])
})

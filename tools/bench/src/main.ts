#!/usr/bin/env node
/** Benchmarks the proxy, reports which targets it meets, and writes `docs/benchmarks.md`: `pnpm bench --help`. */
import { readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { buildProxy, scratchFolder } from "@cscs/harness"
import type { Bench } from "./bench-context.ts"
import { oneDecimal } from "./figures.ts"
import { startHelper } from "./helpers.ts"
import { surroundings } from "./machine.ts"
import { names, questions } from "./questions.ts"
import { report, tableOf } from "./report.ts"
import type { SandboxCommands } from "./sandbox-process.ts"
import type { Findings, Section } from "./section.ts"
import { target } from "./section.ts"

const document = fileURLToPath(new URL("../../../docs/benchmarks.md", import.meta.url))

const usage = `pnpm bench [options]

  --only one-change,warm   these measurements: ${names.join(", ")}
  --resources 5000,100000  in worlds of these sizes; default: those of each measurement
  --quick                  fewer repetitions: to try something, not to publish
  --peers NAME=URL,…       measures other versions beside: a running one's origin, or a shell command that starts one
                           at PORT against the sandbox, whose settings it finds in its environment
  --app FOLDER             measures this built folder (deploy/make-app-folder.ts) instead of building one
  --profile DIR            with --only: writes CPU profiles of the measured processes into DIR
  --write                  writes docs/benchmarks.md also after a partial run
  --help

A complete run writes docs/benchmarks.md. Needs Linux; \`taskset\` and \`wrk\` (Debian: apt-get install wrk) are used if they
are there. Exit code 1 if a target is missed.`

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    resources: { type: "string" },
    quick: { type: "boolean", default: false },
    peers: { type: "string", default: "" },
    app: { type: "string" },
    profile: { type: "string" },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
})
const say = (text: unknown) => console.error(text)

const listOf = (text: string | undefined) => text?.split(",").filter((one) => one !== "")
const only = listOf(values.only) ?? names
const unknown = only.find((one) => !names.includes(one))
const given = listOf(values.resources)?.map(Number)
const peers = new Map(
  listOf(values.peers)?.map((one): [string, string] => [
    one.slice(0, one.indexOf("=")),
    one.slice(one.indexOf("=") + 1),
  ]),
)

const main = async (): Promise<void> => {
  if (values.help) return console.log(usage)
  if (unknown !== undefined) throw new Error(`--only: ${JSON.stringify(unknown)} is none of ${names.join(", ")}`)
  if (given?.some((size) => !Number.isInteger(size) || size < 1)) throw new Error("--resources: expected numbers")
  const begin = performance.now()
  const where = await surroundings(process.argv.slice(2))
  if (where.load > 0.5) say(`Others use this machine (load ${oneDecimal(where.load)}): the figures will be too bad`)
  const folder = scratchFolder("bench")
  const proxy = await buildProxy(join(folder, "deployed"), values.app)
  const earlier = new Map<string, number>()
  const found = new Map<string, Array<Findings>>()
  const sizes = [...new Set(given ?? questions.flatMap((one) => one.sizes))].sort((a, b) => a - b)
  for (const resources of sizes) {
    for (const { name, sizes, measure } of questions) {
      if (!only.includes(name) || !(given ?? sizes).includes(resources)) continue
      say(`${name}, ${resources} resources`)
      const sandbox = startHelper<SandboxCommands>(new URL("sandbox-process.ts", import.meta.url))
      try {
        const { environment, token } = await sandbox.ask("start", resources)
        const bearer = { Authorization: `Bearer ${token}` }
        const profile = values.profile === undefined ? undefined : resolve(values.profile)
        const bench: Bench = {
          resources,
          proxy,
          folder,
          environment,
          bearer,
          sandbox,
          quick: values.quick,
          peers,
          earlier,
          profile,
          say,
        }
        found.set(name, [
          ...(found.get(name) ?? []),
          await measure(bench).catch((error: unknown) => failed(name, resources, error)),
        ])
      } finally {
        await sandbox.end()
      }
    }
  }
  const sections: ReadonlyArray<Section> = questions.flatMap((question) => {
    const all = found.get(question.name) ?? []
    return all.length === 0
      ? []
      : [{ ...question, rows: all.flatMap(({ rows }) => rows), targets: all.flatMap(({ targets }) => targets) }]
  })
  const notes = await readFile(new URL("notes.md", import.meta.url), "utf8")
  const isComplete = !values.quick && values.only === undefined && given === undefined
  if (isComplete || values.write) {
    const minutes = (performance.now() - begin) / 60_000
    await writeFile(document, report({ surroundings: where, versions: proxy.versions, sections, minutes, notes }))
    say(`Written: ${document}`)
  } else {
    for (const { question, head, rows } of sections) console.log(`\n## ${question}\n\n${tableOf(head, rows)}`)
  }
  const targets = sections.flatMap((section) => section.targets)
  for (const { wanted, found, met } of targets) say(`${met ? "met   " : "MISSED"} ${wanted}: ${found}`)
  if (targets.some(({ met }) => !met)) process.exitCode = 1
}

/** A failed measurement does not stop the others: it is a missed target. */
const failed = (name: string, resources: number, error: unknown): Findings => {
  say(error)
  const text = String(error).split("\n")[0] ?? ""
  return {
    rows: [[String(resources), `failed: ${text}`]],
    targets: [target(`${name} at ${resources} can be measured`, false, text)],
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
// The helpers still listen; they end with this process.
process.exit()

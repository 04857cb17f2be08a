/**
 * Benchmarks the proxy and reports which targets it meets. A complete run writes docs/benchmarks.md. Needs Linux; uses
 * `taskset` and `wrk` (Debian: apt-get install wrk) if they are there. Exit code 1 if a target is missed.
 *
 *   --only one-change,warm   these measurements (questions.ts)
 *   --resources 5000,100000  in worlds of these sizes; default: those of each measurement
 *   --quick                  fewer repetitions: to try something, not to publish
 *   --profile DIR            with --only: writes CPU profiles of the measured processes into DIR
 *   --peers FOLDER           measures the versions that its programs start, too (docs/comparison-with-peers.md)
 */
import { readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { buildProxy, scratchFolder } from "@cscs/harness"
import type { Bench } from "./bench-context.ts"
import { oneDecimal, whole } from "./figures.ts"
import { startHelper } from "./helpers.ts"
import { load, surroundings } from "./machine.ts"
import { names, questions, type Section } from "./questions.ts"
import { report, tableOf } from "./report.ts"
import type { SandboxCommands } from "./sandbox-process.ts"

const document = join(import.meta.dirname, "../../../docs/benchmarks.md")

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    resources: { type: "string" },
    quick: { type: "boolean", default: false },
    profile: { type: "string" },
    peers: { type: "string" },
  },
})
const log = (text: unknown) => console.error(text)

const listOf = (text: string | undefined) => text?.split(",").filter((one) => one !== "")
const only = listOf(values.only) ?? names
const unknown = only.find((one) => !names.includes(one))
const requestedSizes = listOf(values.resources)?.map(Number)

const main = async (): Promise<void> => {
  if (unknown !== undefined) throw new Error(`--only: ${JSON.stringify(unknown)} is none of ${names.join(", ")}`)
  if (requestedSizes?.some((size) => !Number.isInteger(size) || size < 1))
    throw new Error("--resources: expected numbers")
  if (values.profile !== undefined && values.only === undefined) throw new Error("--profile needs --only")
  const begin = performance.now()
  const machine = await surroundings()
  if (load() > 0.5)
    log(`Others use this machine (load ${oneDecimal(load())}): the figures will be worse than on an idle one`)
  const folder = scratchFolder("bench")
  const built = await buildProxy(join(folder, "deployed"))
  const earlier = new Map<string, number>()
  const sections: ReadonlyArray<Section> = questions.map((question) => ({ ...question, rows: [], targets: [] }))
  const sizes = [...new Set(requestedSizes ?? questions.flatMap((one) => one.sizes))].sort((a, b) => a - b)
  for (const resources of sizes) {
    for (const section of sections) {
      if (!only.includes(section.name) || !(requestedSizes ?? section.sizes).includes(resources)) continue
      await measureIn(section, resources, { main: built, folder, earlier })
    }
  }
  const measured = sections.filter(({ rows }) => rows.length > 0)
  const notes = await readFile(new URL("notes.md", import.meta.url), "utf8")
  if (!values.quick && values.only === undefined && requestedSizes === undefined) {
    const minutes = (performance.now() - begin) / 60_000
    await writeFile(document, report(machine, measured, minutes, notes))
    log(`Written: ${document}`)
  } else {
    for (const { question, head, rows } of measured) console.log(`\n## ${question}\n\n${tableOf(head, rows)}`)
  }
  const targets = measured.flatMap((section) => section.targets)
  for (const { wanted, found, met } of targets) log(`${met ? "met   " : "MISSED"} ${wanted}: ${found}`)
  if (targets.some(({ met }) => !met)) process.exitCode = 1
}

/** Measures in the world of one size, over a sandbox of its own. A failure is a missed target, and stops no other. */
const measureIn = async (
  { name, measure, rows, targets }: Section,
  resources: number,
  run: Pick<Bench, "main" | "folder" | "earlier">,
): Promise<void> => {
  log(`${name}, ${resources} resources`)
  const row = (...cells: ReadonlyArray<string>) => {
    rows.push([whole(resources), ...cells])
    log(`  ${cells.join("; ")}`)
  }
  const target = (wanted: string, met: boolean, found: string) =>
    void targets.push({ wanted: `${whole(resources)} resources: ${wanted}`, met, found })
  const { commands: sandbox, end } = startHelper<SandboxCommands>(new URL("sandbox-process.ts", import.meta.url))
  try {
    const { token, ...given } = await sandbox.start(resources)
    const bearer = { Authorization: `Bearer ${token}` }
    const profile = values.profile === undefined ? undefined : resolve(values.profile)
    const peers = values.peers && resolve(values.peers)
    await measure({ ...run, ...given, resources, bearer, sandbox, quick: values.quick, profile, peers, row, target })
  } catch (error) {
    log(error)
    const text = String(error).split("\n")[0] ?? ""
    row(`failed: ${text}`)
    target(`${name} can be measured`, false, text)
  } finally {
    await end()
  }
}

await main()

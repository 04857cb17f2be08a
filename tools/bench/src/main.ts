#!/usr/bin/env node
/**
 * Benchmarks the storage proxy as in production, reports which targets it meets, and writes `docs/benchmarks.md`.
 *
 * Usage: `pnpm bench [--quick] [--resources 1000,5000] [--only QUESTIONS] [--profile DIR] [--write]`
 *
 * Needs Linux (/proc) and npx. Exit code 1 if a target is missed.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { buildProxy, scratchFolder } from "@cscs/harness"
import type { Bench, Effort } from "./bench-context.ts"
import { twoDecimals } from "./figures.ts"
import { startHelper } from "./helpers.ts"
import type { LoadCommands } from "./load-process.ts"
import { surroundings } from "./machine.ts"
import { type Options, readOptions, usage } from "./options.ts"
import { writeProfiles } from "./profile.ts"
import { measureAll, sectionsOf } from "./questions.ts"
import { report } from "./report.ts"
import type { SandboxCommands } from "./sandbox-process.ts"

const document = fileURLToPath(new URL("../../../docs/benchmarks.md", import.meta.url))
const notes = new URL("notes.md", import.meta.url)
const folder = scratchFolder("bench")
const say = (text: string) => console.error(text)

const thorough: Effort = {
  coldStarts: (resources) => (resources > 10_000 ? 3 : 5),
  rounds: 5,
  roundSeconds: 3,
  refreshSeconds: (resources) => (resources > 10_000 ? 40 : 15),
  changes: 3,
  lightRefreshes: 300,
  fullRefreshes: 12,
}

/** Enough to see that everything works. */
const quick: Effort = {
  coldStarts: () => 3,
  rounds: 3,
  roundSeconds: 1,
  refreshSeconds: () => 5,
  changes: 1,
  lightRefreshes: 50,
  fullRefreshes: 8,
}

const main = async (): Promise<void> => {
  const line = process.argv.slice(2)
  const options = readOptions(line)
  if (options === undefined) {
    console.log(usage)
    return
  }
  const begin = performance.now()
  const where = await surroundings(line)
  if (where.load > 0.5) say(`Others use this machine (load ${twoDecimals(where.load)}): the figures will be too bad`)
  say("Building and installing the proxy")
  const proxy = await buildProxy(join(folder, "deployed"))
  const effort = options.quick ? quick : thorough
  const load = startHelper<LoadCommands>(new URL("load-process.ts", import.meta.url))

  /** Runs a sandbox with a number of resources for the duration of `use`. */
  const withWorld = async (resources: number, use: (bench: Bench) => Promise<void>): Promise<void> => {
    say(`${resources} resources`)
    const sandbox = startHelper<SandboxCommands>(new URL("sandbox-process.ts", import.meta.url))
    try {
      const environment = await sandbox.ask("start", resources)
      await use({ resources, proxy, folder, environment, sandbox, load, effort, say })
    } finally {
      await sandbox.end()
    }
  }

  if (options.profile !== undefined) {
    const target = options.profile
    for (const resources of options.resources) {
      await withWorld(resources, (bench) => writeProfiles(bench, target, options.heapSnapshot))
    }
    return
  }

  const measured = sectionsOf()
  for (const resources of options.resources) {
    await withWorld(resources, (bench) => measureAll(measured, bench, options))
  }
  const sections = measured.sections()
  const text = report({
    surroundings: where,
    versions: proxy.versions,
    sections,
    minutes: (performance.now() - begin) / 60_000,
    notes: await readFile(notes, "utf8"),
  })
  await tell(options, text)
  const missed = sections.flatMap(({ targets }) => targets.filter(({ met }) => !met))
  for (const { wanted, found } of missed) say(`MISSED ${wanted}: ${found}`)
  say(missed.length === 0 ? "Every target is met." : `Targets missed: ${missed.length}`)
  if (missed.length > 0) process.exitCode = 1
}

const tell = async ({ write }: Options, text: string): Promise<void> => {
  if (!write) {
    console.log(text)
    return
  }
  await mkdir(join(document, ".."), { recursive: true })
  await writeFile(document, text)
  say(`Written: ${document}`)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
// The helpers still listen; they end with this process.
process.exit()

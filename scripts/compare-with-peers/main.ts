#!/usr/bin/env node
/**
 * Compares what our storage proxy answers with what its two Python predecessors answer from the same upstreams, and
 * writes `docs/comparison-with-peers.md`.
 *
 *   node scripts/compare-with-peers/main.ts [--peers DIR]
 *
 * `--peers` keeps the virtual environments there for the next time; else they are made in a temporary folder and
 * removed. Needs python3 with venv, and PyPI for the first installation; all else stays on loopback. Exit code 1 where
 * a difference has no line of the contract that explains it.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs, promisify } from "node:util"
import { buildWorld, type Sandbox, startSandbox, type World } from "@cscs/sandbox"
import { findDeadlyRecords, said } from "./deadly-records.ts"
import { type Comparison, compareLists } from "./differences.ts"
import { classesOf } from "./entry-classes.ts"
import { expectationOf } from "./expectation.ts"
import type { JsonObject } from "./json-values.ts"
import { dashed, type Listing, wholeList } from "./listings.ts"
import { installPeer, type Peer, peers } from "./peers.ts"
import { compareQueries } from "./queries.ts"
import { type ComparedWorld, countUnexplained, type Environment, report } from "./report.ts"
import { endAll, type Service, startOurs, startPeer } from "./services.ts"

const document = fileURLToPath(new URL("../../docs/comparison-with-peers.md", import.meta.url))
const longestRun = 6 * 60_000
const folder = mkdtempSync(join(tmpdir(), "compare-with-peers-"))
const interruption = new AbortController()

const main = async (): Promise<void> => {
  const { values } = parseArgs({ options: { peers: { type: "string" } } })
  const venvs = resolve(values.peers ?? folder)
  for (const peer of peers) {
    say(`Installing ${peer.distribution} ${peer.version} below ${venvs}`)
    await installPeer(venvs, peer, interruption.signal)
  }
  const deadline = AbortSignal.timeout(longestRun)
  const worlds = [
    ...(await compareWorld("orderly", buildWorld({ edgeCases: false, resources: 60 }), venvs, deadline)),
    ...(await compareWorld("odd", buildWorld({ resources: 60 }), venvs, deadline)),
  ]
  await writeFile(document, report(worlds, await environment(values.peers)))
  say(`Written: ${document}`)
  const unexplained = countUnexplained(worlds)
  say(unexplained === 0 ? "Every difference is explained." : `UNEXPLAINED differences: ${unexplained}`)
  if (unexplained > 0) process.exitCode = 1
}

/** Serves a world to all three and compares; queries only where no record is odd. */
const compareWorld = async (
  name: ComparedWorld["world"],
  world: World,
  venvs: string,
  deadline: AbortSignal,
): Promise<ReadonlyArray<ComparedWorld>> => {
  const sandbox = await startSandbox({ world, logCalls: false })
  const compared: Array<ComparedWorld> = []
  try {
    const ours = await startOurs(folder, sandbox, deadline)
    const whole = entriesOf("ours", await wholeList(ours.url, deadline)).length
    await ours.end()
    for (const peer of peers) {
      say(`Comparing with ${peer.version}: the ${name} world of ${world.resources.length} resources`)
      const theirs = await startPeer(folder, venvs, peer, sandbox, deadline)
      compared.push(await compareWithPeer(name, peer, theirs, whole, sandbox, deadline))
      await theirs.end()
    }
  } finally {
    await sandbox.close()
  }
  return compared
}

const compareWithPeer = async (
  name: ComparedWorld["world"],
  peer: Peer,
  theirs: Service,
  ourWhole: number,
  sandbox: Sandbox,
  deadline: AbortSignal,
): Promise<ComparedWorld> => {
  const { world } = sandbox
  const all = world.resources
  const first = await wholeList(theirs.url, deadline)
  const deadly = await findDeadlyRecords(theirs.url, world, deadline)
  world.resources = all.filter((row) => !deadly.some((one) => one.row === row))
  // A proxy of its own for each set of rows: it holds what it has read for a while.
  const ours = await startOurs(folder, sandbox, deadline)
  try {
    const rows = rowsAsSent(sandbox)
    const comparison: Comparison = {
      peer: peer.version,
      world,
      rows: new Map(rows.map((row) => [dashed(row.uuid) ?? String(row.uuid), row])),
      expectation: expectationOf(rows, world),
      ours: entriesOf("ours", await wholeList(ours.url, deadline)),
      theirs: entriesOf(peer.version, await wholeList(theirs.url, deadline)),
    }
    const lists = compareLists(comparison)
    return {
      world: name,
      peer: peer.version,
      resources: all.length,
      address: sandbox.waldur.url,
      labels: world.labels,
      ourWhole,
      refusal: first.answered ? undefined : `${first.refusal.status}: ${said(first.refusal.body, first.refusal.text)}`,
      deadly,
      lists,
      classified: lists.differences.map((difference) => ({ difference, classes: classesOf(difference, comparison) })),
      queries: name === "orderly" ? await compareQueries(ours.url, theirs.url, comparison, deadline) : [],
    }
  } finally {
    world.resources = all
    await ours.end()
  }
}

/** The rows with their links as the sandbox serves them. */
const rowsAsSent = ({ world, waldur }: Sandbox): ReadonlyArray<JsonObject> =>
  JSON.parse(JSON.stringify(world.resources).replaceAll(world.apiUrl, waldur.url))

const entriesOf = (who: string, listing: Listing) => {
  if (listing.answered) return listing.entries
  throw new Error(`${who} answers ${listing.refusal.status}: ${listing.refusal.text.slice(0, 500)}`)
}

const environment = async (given: string | undefined): Promise<Environment> => {
  const output = async (program: string, ...parameters: ReadonlyArray<string>) =>
    (
      await promisify(execFile)(program, parameters, { cwd: fileURLToPath(new URL(".", import.meta.url)) })
    ).stdout.trim()
  return {
    date: new Date().toISOString().slice(0, 10),
    command: `node scripts/compare-with-peers/main.ts${given === undefined ? "" : ` --peers ${given}`}`,
    commit: await output("git", "rev-parse", "--short", "HEAD"),
    uncommitted: (await output("git", "status", "--porcelain", "--", "../../apps", "../../packages")) !== "",
    node: process.version,
    python: (await output("python3", "--version")).replace("Python ", ""),
  }
}

const say = (text: string) => console.error(text)

// However the script ends, nothing stays behind.
process.once("exit", () => {
  endAll()
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    interruption.abort()
    process.exit(130)
  })
}
await main()

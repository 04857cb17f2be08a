/** The questions of the document (their texts are in method.md), the sizes of worlds for each, and the results. */
import { readFileSync } from "node:fs"
import type { Bench } from "./bench-context.ts"
import { placement } from "./cores.ts"
import { explorerHead, measureExplorer } from "./explorer.ts"
import { firstHead, measureFirst } from "./first-response.ts"
import { generator, maxShare } from "./load.ts"
import { measureMemory, memoryHead } from "./memory.ts"
import { measurePeers, peersHead } from "./peers.ts"
import { changeHead, duringHead, measureDuring, measureOneChange, measureSeen, seenHead } from "./refreshes.ts"
import { measureUpstream, upstreamHead } from "./upstream.ts"
import { measureWarm, warmHead } from "./warm.ts"

export type Row = ReadonlyArray<string>

/** One question of the document, with the results of all sizes. */
export interface Section extends ReturnType<typeof ask> {
  readonly rows: Array<Row>
  /** Each in words, with the result. */
  readonly targets: Array<{ readonly wanted: string; readonly found: string; readonly met: boolean }>
}

const usual = [5_000, 100_000]
const tenfold = [10_000, 100_000]

const facts: Readonly<Record<string, string>> = { generator, placement, maxShare: String(maxShare) }
const method = readFileSync(new URL("method.md", import.meta.url), "utf8")
const [before = "", ...texts] = method.replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "").split(/^## /m)

/** What was run, in Markdown. */
export const setUp = before.slice(before.indexOf("-->") + 3).trim()

/** @param head the columns of the table, separated by ` | `; the first is the number of resources */
const ask = (name: string, measure: (bench: Bench) => Promise<void>, head: string, sizes = usual) => {
  const text = texts.find((one) => one.startsWith(`${name}: `))
  if (text === undefined) throw new Error(`method.md has no section "## ${name}: …"`)
  const [title = "", ...paragraphs] = text.trim().split("\n\n")
  return { name, question: title.slice(name.length + 2), how: paragraphs.join("\n\n"), measure, head, sizes }
}

export const questions = [
  ask("warm", measureWarm, warmHead),
  ask("one-change", measureOneChange, changeHead, tenfold),
  ask("seen", measureSeen, seenHead, tenfold),
  ask("during", measureDuring, duringHead),
  ask("first", measureFirst, firstHead),
  ask("upstream", measureUpstream, upstreamHead),
  ask("memory", measureMemory, memoryHead),
  ask("explorer", measureExplorer, explorerHead, [5_000]),
  ask("peers", measurePeers, peersHead, [5_000]),
]

export const names = questions.map(({ name }) => name)

/** The questions of the document: text, measurement, and world sizes of each. */
import type { Bench } from "./bench-context.ts"
import { whole } from "./figures.ts"
import { type FirstAnswer, firstAnswerHead, growth, measureFirstAnswer } from "./first-answer.ts"
import { duringRefreshHead, measureDuringRefresh } from "./load-during-refresh.ts"
import { measureMemory, measureSoak, memoryHead, soakHead } from "./memory-use.ts"
import type { Options, Question } from "./options.ts"
import type { Distance } from "./sandbox-process.ts"
import { type Findings, type Section, type Target, target } from "./section.ts"
import { changesHead, measureChanges } from "./seen-changes.ts"
import { measureUpstream, upstreamHead } from "./upstream-use.ts"
import { measureWarm, warmHead } from "./warm-load.ts"
import { measureWalk, walkHead } from "./whole-walk.ts"

interface Asked {
  readonly key: Question | "growth"
  readonly question: string
  readonly how: string
  readonly head: ReadonlyArray<string>
}

const asked: ReadonlyArray<Asked> = [
  {
    key: "first-answer",
    question: "How soon is the first answer there?",
    how: `From the spawn of the process until a page of 100 is there whole, beside a cold Node process that reads the same lists
with the same fields by bare \`fetch\`, 8 pages side by side, with JSON.parse and nothing else (as many bytes: checked; the
GIDs, which it does not ask for, aside). In turn; medians; the ratio is the median of the ratios of neighbours. The log's \`snapshot-taken\` and the reader's own clock
tell the time without the start of the process. "One list with all fields" is a reader that does not know how to ask for
resources with an order by themselves, so that every row is as slow as one with an order.`,
    head: firstAnswerHead,
  },
  {
    key: "growth",
    question: "How does that grow with the number of resources?",
    how: "First answers of the table above, a hundredfold apart.",
    head: ["resources", "Waldur", "first answer", "first answer", "ratio", "ratio of first snapshots"],
  },
  {
    key: "warm",
    question: "How fast is a warm answer?",
    how: `8 connections, each asking again as soon as it has its answer, beside a bare \`node:http\` server with one buffer of the
same bytes, in turn. Medians of the rounds; \`max\` is the worst of all. CPU is what Linux counts for the server's process
(user and system). Where the load generator's share of a core is near 1, the load and not the server is the limit, and the
CPU per request is the better measure. Nothing is refreshed meanwhile, and the upstreams are asked nothing: counted.`,
    head: warmHead,
  },
  {
    key: "refresh",
    question: "And while a refresh runs?",
    how: `\`CACHE_FRESH_FOR\` and \`CACHE_FULL_REFRESH_EVERY\` at 1 second, a resource changes every half second: full refreshes
run nearly all the time. The sandbox works on the same cores then, so callers, proxy and Waldur are three for two; at
200 requests/s there is room. An answer that was under way at the end is waited for and counts.`,
    head: duringRefreshHead,
  },
  {
    key: "walk",
    question: "How long does it take to have everything?",
    how: "One caller, one request at a time, parsed; the second of two walks.",
    head: walkHead,
  },
  {
    key: "upstream",
    question: "What does it cost the upstreams?",
    how: `Calls as the sandbox logged them, bytes of bodies. A quiet refresh is asked for with \`Cache-Control: no-cache\` while
nothing has changed. Pages of resources with an order in progress are told apart: such an order changes without a trace in
its resource, so they are read each time.`,
    head: upstreamHead,
  },
  {
    key: "changes",
    question: "When is a change seen?",
    how: `\`CACHE_FRESH_FOR\` at 1 second. From the change in Waldur until the page that the entry is on shows it, asked every
20 ms. A quarter of a second is allowed for looking and for timers.`,
    head: changesHead,
  },
  {
    key: "memory",
    question: "How much memory does it take?",
    how: "VmRSS and VmHWM of /proc. A target is held against the peak.",
    head: memoryHead,
  },
  {
    key: "soak",
    question: "Does it stay so?",
    how: `Refreshes by \`Cache-Control: no-cache\`, each after a change of one resource, each followed by a page of 100. The first
fifth of the samples is left out (of full refreshes a quarter); then the median of the first quarter beside that of the last.`,
    head: soakHead,
  },
]

/** The results so far, question by question. */
export interface Measured {
  readonly add: (key: Asked["key"], findings: Findings) => void
  readonly addFirstAnswer: (medians: FirstAnswer) => void
  readonly sections: () => ReadonlyArray<Section>
}

export const sectionsOf = (): Measured => {
  const rows = new Map<string, Array<ReadonlyArray<string>>>()
  const targets = new Map<string, Array<Target>>()
  const firstAnswers: Array<FirstAnswer> = []
  const add: Measured["add"] = (key, found) => {
    rows.set(key, [...(rows.get(key) ?? []), ...found.rows])
    targets.set(key, [...(targets.get(key) ?? []), ...found.targets])
  }
  return {
    add,
    addFirstAnswer: (medians) => firstAnswers.push(medians),
    sections: () => {
      add("growth", growth(firstAnswers))
      return asked.flatMap(({ key, question, how, head }) => {
        const found = rows.get(key) ?? []
        if (found.length === 0) return []
        return [{ question, how, table: { head, rows: found }, targets: targets.get(key) ?? [] }]
      })
    },
  }
}

const isSmall = (resources: number) => resources <= 5000
/** The sizes for memory over time and visibility of changes: a usual one, and the largest. */
const isTelling = (resources: number) => resources === 5_000 || resources === 100_000

const distances = (resources: number): ReadonlyArray<Distance> => [
  { latencyMs: 0, realPace: false },
  { latencyMs: 40, realPace: false },
  // 100,000 resources at this pace are an hour of waiting for the sandbox.
  ...(isSmall(resources) ? [{ latencyMs: 0, realPace: true }] : []),
]

/** Runs the selected questions in the world of one size. */
export const measureAll = async (measured: Measured, bench: Bench, { only, quick }: Options): Promise<void> => {
  const attempt = trying(measured, bench)
  if (only.includes("first-answer")) {
    for (const distance of distances(bench.resources)) {
      await attempt("first-answer", async () => {
        const found = await measureFirstAnswer(bench, distance)
        measured.addFirstAnswer(found.medians)
        return found
      })
    }
  }
  const measures: ReadonlyArray<readonly [Question, (bench: Bench) => Promise<Findings>, boolean]> = [
    ["warm", measureWarm, true],
    ["refresh", measureDuringRefresh, true],
    ["walk", measureWalk, true],
    ["upstream", measureUpstream, true],
    ["memory", measureMemory, true],
    ["soak", measureSoak, isTelling(bench.resources) || quick],
    // Last, because it removes resources.
    ["changes", measureChanges, isTelling(bench.resources) || quick],
  ]
  for (const [key, measure, wanted] of measures) {
    if (wanted && only.includes(key)) await attempt(key, () => measure(bench))
  }
}

/** A failed measurement does not stop the others: it is a line in the table and a missed target. */
const trying =
  (measured: Measured, { resources, say }: Bench) =>
  async (key: Asked["key"], measure: () => Promise<Findings>): Promise<void> => {
    say(` ${key}`)
    try {
      measured.add(key, await measure())
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      say(`  FAILED: ${message}`)
      const short = message.split("\n")[0] ?? ""
      const failed = target(`${whole(resources)} resources: ${key} can be measured`, false, short)
      measured.add(key, { rows: [[whole(resources), `failed: ${short}`]], targets: [failed] })
    }
  }

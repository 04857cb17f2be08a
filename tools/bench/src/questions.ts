/** The questions of the document, and the sizes of worlds in which each is measured. */
import type { Bench } from "./bench-context.ts"
import { firstHead, firstHow, measureFirst } from "./first-response.ts"
import { measureMemory, memoryHead, memoryHow } from "./memory.ts"
import * as refreshes from "./refreshes.ts"
import { measureUpstream, upstreamHead, upstreamHow } from "./upstream.ts"
import { measureWarm, warmHead, warmHow } from "./warm.ts"

export interface Question {
  readonly name: string
  readonly question: string
  /** The method of measurement. */
  readonly how: string
  /** Of the table, separated by ` | `; the first column is the number of resources. */
  readonly head: string
  readonly sizes: ReadonlyArray<number>
  readonly measure: (bench: Bench) => Promise<void>
}

const usual = [5_000, 100_000]
const tenfold = [10_000, 100_000]

const ask = (
  name: string,
  question: string,
  measure: Question["measure"],
  how: string,
  head: string,
  sizes: ReadonlyArray<number> = usual,
): Question => ({ name, question, measure, how, head, sizes })

const { measureOneChange, changeHow, changeHead, measureSeen, seenHow, seenHead } = refreshes
const { measureDuring, duringHow, duringHead } = refreshes

export const questions: ReadonlyArray<Question> = [
  ask("warm", "How fast is a warm response?", measureWarm, warmHow, warmHead),
  ask("one-change", "What does a change cost the processor?", measureOneChange, changeHow, changeHead, tenfold),
  ask("seen", "When is a change seen?", measureSeen, seenHow, seenHead, tenfold),
  ask("during", "And while everything is read anew?", measureDuring, duringHow, duringHead),
  ask("first", "How soon is the first response there?", measureFirst, firstHow, firstHead),
  ask("upstream", "What does it cost the upstreams?", measureUpstream, upstreamHow, upstreamHead),
  ask("memory", "How much memory does it take?", measureMemory, memoryHow, memoryHead),
]

export const names: ReadonlyArray<string> = questions.map(({ name }) => name)

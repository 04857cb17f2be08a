/** The questions of the document, and the sizes of worlds in which each is measured. */
import type { Bench } from "./bench-context.ts"
import {
  changeHead,
  changeHow,
  duringHead,
  duringHow,
  measureDuring,
  measureOneChange,
  measureSeen,
  seenHead,
  seenHow,
} from "./refreshes.ts"
import type { Findings, Row } from "./section.ts"
import { measureWarm, warmHead, warmHow } from "./warm.ts"

interface Question {
  readonly name: string
  readonly question: string
  readonly how: string
  readonly head: Row
  readonly sizes: ReadonlyArray<number>
  readonly measure: (bench: Bench) => Promise<Findings>
}

const usual = 5_000
const tenth = 10_000
const largest = 100_000

export const questions: ReadonlyArray<Question> = [
  {
    name: "warm",
    question: "How fast is a warm response?",
    how: warmHow,
    head: warmHead,
    sizes: [usual, largest],
    measure: measureWarm,
  },
  {
    name: "one-change",
    question: "What does a change cost the processor?",
    how: changeHow,
    head: changeHead,
    sizes: [tenth, largest],
    measure: measureOneChange,
  },
  {
    name: "seen",
    question: "When is a change seen?",
    how: seenHow,
    head: seenHead,
    sizes: [tenth, largest],
    measure: measureSeen,
  },
  {
    name: "during",
    question: "And while everything is read anew?",
    how: duringHow,
    head: duringHead,
    sizes: [usual, largest],
    measure: measureDuring,
  },
]

export const names: ReadonlyArray<string> = questions.map(({ name }) => name)

/** The command line of the benchmark. */
import { resolve } from "node:path"
import { parseArgs } from "node:util"

const questions = ["first-answer", "warm", "refresh", "walk", "upstream", "changes", "memory", "soak"] as const
export type Question = (typeof questions)[number]

export interface Options {
  readonly resources: ReadonlyArray<number>
  readonly quick: boolean
  readonly only: ReadonlyArray<Question>
  readonly profile: string | undefined
  readonly heapSnapshot: boolean
  /** Whether the document is written. */
  readonly write: boolean
}

export const usage = `pnpm bench [options]

  --resources 1000,5000  worlds of these sizes; default: 1,000, 5,000, 50,000 and 100,000
  --quick                1,000 and 5,000 with short measurements: a smoke test, not for publication
  --only warm,soak       these questions: ${questions.join(", ")}
  --profile DIR          CPU profiles into DIR, and nothing else
  --heap-snapshot        with --profile, heap snapshots too
  --write                write docs/benchmarks.md also after a partial run
  --help                 show this help

A complete run writes docs/benchmarks.md. Exit code 1 if a target is missed.`

const everySize = [1_000, 5_000, 50_000, 100_000]
const smallSizes = [1_000, 5_000]

/**
 * Parses the command line. Throws an error with a one-sentence reason if it is wrong, and returns `undefined` for
 * --help.
 */
export const readOptions = (line: ReadonlyArray<string>): Options | undefined => {
  const { values } = parseArgs({
    args: [...line],
    options: {
      resources: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      profile: { type: "string" },
      "heap-snapshot": { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  })
  if (values.help) return undefined
  const { quick, resources, only, profile } = values
  return {
    resources: resources === undefined ? (quick ? smallSizes : everySize) : sizesIn(resources),
    quick,
    only: only === undefined ? questions : questionsIn(only),
    profile: profile === undefined ? undefined : resolve(profile),
    heapSnapshot: values["heap-snapshot"],
    write: values.write || !(quick || resources !== undefined || only !== undefined),
  }
}

const sizesIn = (text: string): ReadonlyArray<number> =>
  text.split(",").map((one) => {
    const size = Number(one.replaceAll("_", ""))
    if (!Number.isInteger(size) || size < 1)
      throw new Error(`--resources: ${JSON.stringify(one)} is not a number of resources`)
    return size
  })

const questionsIn = (text: string): ReadonlyArray<Question> =>
  text.split(",").map((one) => {
    const question = questions.find((known) => known === one)
    if (question === undefined) throw new Error(`--only: ${JSON.stringify(one)} is none of ${questions.join(", ")}`)
    return question
  })

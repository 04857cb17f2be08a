import { Result } from "effect"
import { type Problem, problem, type SkipCode } from "../report/finding.ts"

/** Why a resource is left out. */
export interface Refusal {
  readonly code: SkipCode
  readonly problem: Problem
}

export const refuse = (code: SkipCode, problem: Problem) => Result.fail<Refusal>({ code, problem })
export const badData = (problem: Problem): Refusal => ({ code: "bad-data", problem })

/**
 * What a rule makes of one record. A throw that no rule foresees costs that record its place, never the list; its kind
 * alone is told, for its message may quote the record.
 */
export const ofOneRecord = <A>(rule: () => Result.Result<A, Refusal>): Result.Result<A, Refusal> => {
  try {
    return rule()
  } catch (error) {
    const kind = error instanceof Error ? error.name : "unknown"
    return Result.fail(badData(problem("", null, `cannot be processed: an error of the kind ${kind}`)))
  }
}

import { Result } from "effect"
import type { Problem, SkipCode } from "./finding.ts"

/** Why a resource is left out. */
export interface Refusal {
  readonly code: SkipCode
  readonly problem: Problem
}

export const refuse = (code: SkipCode, problem: Problem) => Result.fail<Refusal>({ code, problem })
export const badData = (problem: Problem): Refusal => ({ code: "bad-data", problem })

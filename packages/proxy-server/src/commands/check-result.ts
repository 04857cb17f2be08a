/** Results of the checks that the command `check` makes. */
import { Effect } from "effect"

/** The result of one check. */
export interface CheckResult {
  /** The subject: `Waldur`, `offering capstor`, `HPC User API`. */
  readonly name: string
  readonly ok: boolean
  /** The observation. */
  readonly detail: string
  /** It works but is probably not intended. */
  readonly isDoubtful?: true
  /** The remedy if it is not ok, or doubtful. */
  readonly advice?: string
}

/** @param advice makes the result doubtful */
export const passed = (name: string, detail: string, advice?: string): CheckResult => ({
  name,
  ok: true,
  detail,
  ...(advice === undefined ? {} : { isDoubtful: true, advice }),
})

export const failed = (name: string, detail: string, advice: string): CheckResult => ({
  name,
  ok: false,
  detail,
  advice,
})

/** The result of a call: the detail if it succeeds, else its error with advice. */
export const attempted = <E extends { readonly message: string }, R>(
  name: string,
  call: Effect.Effect<unknown, E, R>,
  detail: string,
  adviceOn: (error: E) => string,
): Effect.Effect<CheckResult, never, R> =>
  Effect.match(call, {
    onFailure: (error) => failed(name, error.message, adviceOn(error)),
    onSuccess: () => passed(name, detail),
  })

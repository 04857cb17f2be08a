/** Results of the checks that the command `check` makes. */
import { Duration, Effect, Result } from "effect"

/** The result of one check. */
export interface CheckResult {
  /** The subject: `Waldur`, `offering capstor`, `HPC User API`. */
  readonly name: string
  readonly ok: boolean
  /** The observation. */
  readonly detail: string
  /** It works, but is slow or probably not intended. */
  readonly isDoubtful?: true
  /** The remedy if it is not ok, or doubtful. */
  readonly advice?: string
  /** How long each of its calls took, including those that failed. */
  readonly calls?: ReadonlyArray<MeasuredCall>
}

/** The duration of a call. */
export interface MeasuredCall {
  readonly call: keyof typeof slowAfter
  readonly seconds: number
  /** From this duration on, in seconds, `check` warns of a call that succeeded. */
  readonly slowAfter: number
  readonly ok: boolean
}

/** Seconds after which a call is slow: several times what a healthy system needs, and less than its timeout. */
const slowAfter = {
  connection: 2,
  version: 5,
  offerings: 5,
  // One page of a real Waldur takes up to 15 seconds, and up to eight are read at once.
  "first read": 30,
  "token and lookup": 5,
  // Discovery and keys, or one introspection.
  issuer: 5,
  "one value": 1,
} as const

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

/** Measures a call. Its failure is a value, because it took time too. */
export const measured = <A, E, R>(call: keyof typeof slowAfter, effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(Effect.result(effect)), ([duration, result]) => ({
    result,
    took: {
      call,
      seconds: Duration.toSeconds(duration),
      slowAfter: slowAfter[call],
      ok: Result.isSuccess(result),
    } satisfies MeasuredCall,
  }))

/** The result with its calls' durations; a slow one makes it doubtful. */
export const withCalls = (result: CheckResult, calls: ReadonlyArray<MeasuredCall>): CheckResult => {
  const slow = calls.filter(({ ok, seconds, slowAfter }) => ok && seconds >= slowAfter)
  if (slow.length === 0 || !result.ok) return { ...result, calls }
  const names = slow.map((each) => `${each.call} (slow from ${each.slowAfter} s)`).join(", ")
  const advice = `Slow: ${names}. Check the network path, the proxy on the way and the upstream's load.`
  return {
    ...result,
    calls,
    isDoubtful: true,
    advice: result.advice === undefined ? advice : `${result.advice} ${advice}`,
  }
}

/** The result of a call: the detail if it succeeded, else its error with advice. */
export const attempted = <E extends { readonly message: string }, R>(
  name: string,
  call: keyof typeof slowAfter,
  effect: Effect.Effect<unknown, E, R>,
  detail: string,
  adviceOn: (error: E) => string,
): Effect.Effect<CheckResult, never, R> =>
  Effect.map(measured(call, effect), ({ result, took }) =>
    withCalls(
      Result.match(result, {
        onFailure: (error) => failed(name, error.message, adviceOn(error)),
        onSuccess: () => passed(name, detail),
      }),
      [took],
    ),
  )

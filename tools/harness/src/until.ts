/** Waits for conditions. */
import { setTimeout as pause } from "node:timers/promises"

/** Polling interval in milliseconds. */
const pollEvery = 10

/**
 * Polls `look` until it returns a value other than `undefined` or `false`, and returns that value.
 *
 * @param what describes the condition in the error
 * @param within milliseconds; default: no limit, because a test has its own timeout
 * @throws any error of `look`, and an error on timeout
 */
export const until = async <A>(
  what: string,
  look: () => A | undefined | false | Promise<A | undefined | false>,
  within = Number.POSITIVE_INFINITY,
): Promise<A> => {
  for (const end = performance.now() + within; ; ) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`${what}: not within ${within / 1000} seconds`)
    await pause(pollEvery)
  }
}

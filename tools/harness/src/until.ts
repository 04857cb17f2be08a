/** Waits for conditions. */
import { setTimeout as pause } from "node:timers/promises"

/** Polling interval in milliseconds. */
const lookEvery = 10

/**
 * Polls until `look` returns something other than `undefined` or `false`, and returns that.
 *
 * @param what describes the condition in the error
 * @param within milliseconds; default: no limit, because a test has its own timeout
 * @throws what `look` throws, and an error on timeout
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
    await pause(lookEvery)
  }
}

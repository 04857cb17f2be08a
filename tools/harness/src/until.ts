import { setTimeout as pause } from "node:timers/promises"

/** Milliseconds between two looks. */
const lookEvery = 10

/**
 * Waits until `look` returns something else than `undefined` or `false`, and returns that.
 *
 * @param what is waited for, for the error
 * @param within milliseconds; default: for ever, for a test has a deadline of its own
 * @throws what `look` throws, and if the time is over
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

/** The proxy's times, short so that much happens, and what the checker concludes from them. In milliseconds. */

export const freshFor = 1000
export const staleIfError = 8000
export const fullRefreshEvery = 10_000
/** Longer than any loss lasts, and so short that what a long run loses bit by bit is never half of a system. */
export const emptyGuard = 60_000
/** Short, so that the proxy is silent soon after the load has stopped. */
export const keepWarmFor = 3000
/** For one attempt at a call of an upstream. */
export const callTimeout = 2000

/** A project that the HPC User API does not know is asked for again only after this. */
export const askAgainAfter = 60_000

/**
 * The longest refresh that may still succeed: a call is sent five times, each with its timeout and waits of 3.6 s in all
 * (so 13.6 s), and the last of two lists may begin where the first has ended.
 */
export const longestRefresh = 30_000

/** After so long without a fault nothing of it is left: a hanging call has ended, the circuit breakers have closed. */
export const calmAfter = 15_000
/** No answer is older then: fresh for a second, and a refresh on a machine that others use too. */
export const oldestInCalm = 6000

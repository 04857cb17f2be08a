/** The proxy's intervals in milliseconds, short so that much happens, and the checker's limits that follow from them. */

export const freshFor = 1000
export const staleIfError = 8000
export const fullRefreshEvery = 10_000
/** Longer than any loss lasts, and short enough that the gradual losses of a long run are never half of a system. */
const lossGuard = 60_000
/** Short, so that the proxy is silent soon after the load has stopped. */
const keepWarmFor = 3000
/** For one attempt at an upstream call. */
const callTimeout = 2000

/** The same intervals as the proxy's environment variables. */
export const settings = {
  WALDUR_TIMEOUT: `${callTimeout}ms`,
  HPC_USER_API_TIMEOUT: `${callTimeout}ms`,
  CACHE_FRESH_FOR: `${freshFor}ms`,
  CACHE_STALE_IF_ERROR: `${staleIfError}ms`,
  CACHE_FULL_REFRESH_EVERY: `${fullRefreshEvery}ms`,
  CACHE_EMPTY_GUARD: `${lossGuard}ms`,
  CACHE_KEEP_WARM_FOR: `${keepWarmFor}ms`,
}

/** The proxy looks up a project that is unknown to the HPC User API again only after this. */
export const retryGidAfter = 60_000

/**
 * The longest refresh that can succeed: a call is sent up to five times, each with its timeout, with waits of 3.6 s in
 * total (13.6 s), and the second of two lists may begin when the first has ended.
 */
export const longestRefresh = 30_000

/** After this long without a fault nothing of it remains: hanging calls have ended, and circuit breakers have closed. */
export const calmAfter = 15_000
/** The maximum age of a list after that: a second of freshness, and a refresh on a shared machine. */
export const oldestInCalm = 6000

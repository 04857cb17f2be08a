/**
 * Decides when a list is served, when it is refreshed, and whether a request waits: pure functions of the current
 * state, the policy and the time. All times are in steady milliseconds, all durations in milliseconds.
 */

/** The input of the decisions. */
export interface FreshnessState {
  /** When the read of the current list ended; `undefined` before the first list. */
  readonly readEndedAt: number | undefined
  /** When the last refresh failed; `undefined` after a success. */
  readonly failedAt: number | undefined
  /** The refresh in flight. */
  readonly refresh: RunningRefresh | undefined
  /** When a request last asked for the list. */
  readonly lastAskedAt: number
}

export interface RunningRefresh {
  readonly startedAt: number
  /** Whether it began before a request needed it: requests do not wait for it. */
  readonly isBackground: boolean
}

export interface FreshnessPolicy {
  /** How long a list is served without a refresh. 0: every request reads the upstreams. */
  readonly freshFor: number
  /** How much longer a list is served if it cannot be refreshed. */
  readonly staleIfError: number
  /** How long after a request the list is still refreshed in the background. */
  readonly keepWarmFor: number
  /** The pause between a failure and the next attempt. */
  readonly retryAfter: number
  /** When a refresh in flight counts as slow: requests no longer wait for it. */
  readonly slowAfter: number
}

/**
 * What a request for the list gets. `wait`: the refresh that is in flight or about to begin; `fail`: the last failure.
 */
export type Decision = "serve" | "serve-and-refresh" | "wait" | "fail"

const ageOf = ({ readEndedAt }: FreshnessState, now: number): number =>
  readEndedAt === undefined ? Number.POSITIVE_INFINITY : now - readEndedAt

/** Whether the current list may be served at all. */
export const isServable = (state: FreshnessState, policy: FreshnessPolicy, now: number): boolean =>
  ageOf(state, now) < policy.freshFor + policy.staleIfError

/** Whether requests came recently, so that the list is refreshed in the background. Never with `freshFor` 0. */
export const isWarm = ({ lastAskedAt }: FreshnessState, policy: FreshnessPolicy, now: number): boolean =>
  policy.freshFor > 0 && now - lastAskedAt < policy.keepWarmFor

/** Whether the refresh in flight takes longer than it should. */
export const isSlow = ({ refresh }: FreshnessState, policy: FreshnessPolicy, now: number): boolean =>
  refresh !== undefined && now - refresh.startedAt >= policy.slowAfter

/** Whether the last refresh failed so recently that the upstreams are not asked again. */
export const failedLately = ({ failedAt, refresh }: FreshnessState, policy: FreshnessPolicy, now: number): boolean =>
  failedAt !== undefined && refresh === undefined && now - failedAt < policy.retryAfter

/** Whether the list is older than it should be although requests arrive. */
export const isOverdue = (state: FreshnessState, policy: FreshnessPolicy, now: number): boolean =>
  state.readEndedAt !== undefined &&
  isWarm(state, policy, now) &&
  ageOf(state, now) > policy.freshFor + policy.slowAfter &&
  (state.refresh === undefined || isSlow(state, policy, now))

/** What a request for the list gets. */
export const decide = (state: FreshnessState, policy: FreshnessPolicy, now: number): Decision => {
  const { failedAt, refresh } = state
  if (ageOf(state, now) < policy.freshFor) return "serve"
  // Otherwise an upstream that refuses at once would be called as often as the proxy.
  if (!isServable(state, policy, now)) return policy.freshFor > 0 && failedLately(state, policy, now) ? "fail" : "wait"
  if (failedAt !== undefined && policy.freshFor > 0)
    return refresh === undefined && now - failedAt >= policy.retryAfter ? "serve-and-refresh" : "serve"
  if (isSlow(state, policy, now)) return "serve"
  // With `freshFor` 0 every request reads Waldur, so it waits for a read even if that may fail again.
  if (failedAt !== undefined || !isWarm(state, policy, now)) return "wait"
  if (refresh === undefined) return "serve-and-refresh"
  return refresh.isBackground ? "serve" : "wait"
}

/**
 * Milliseconds until the next background refresh: 0 means now, `undefined` means none while no requests arrive. Without
 * a list, refreshes are attempted even without requests: a load balancer sends none to a replica that is not ready.
 */
export const nextRefreshIn = (state: FreshnessState, policy: FreshnessPolicy, now: number): number | undefined => {
  const { readEndedAt, failedAt } = state
  const dueAt =
    failedAt === undefined ? (readEndedAt ?? now - policy.freshFor) + policy.freshFor : failedAt + policy.retryAfter
  if (dueAt > now) return dueAt - now
  return readEndedAt === undefined || isWarm(state, policy, now) ? 0 : undefined
}

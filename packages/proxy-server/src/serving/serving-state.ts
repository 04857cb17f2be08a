/**
 * What the decisions of freshness.ts depend on: the list that is served, how the last refresh ended, and the refresh in
 * flight. All times are in steady milliseconds, unless their docstring names the wall clock.
 */
import type { Deferred } from "effect"
import type { ReadResult } from "../refresh/read-snapshot.ts"
import type { RefreshError } from "../refresh/refresh-errors.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { type FreshnessPolicy, type FreshnessState, isServable, type RunningRefresh } from "./freshness.ts"
import { retainedSnapshots } from "./retained-snapshots.ts"

/** A failed refresh. */
export interface RefreshFailure {
  readonly error: RefreshError
  /** When it failed, in steady milliseconds. */
  readonly at: number
  /** When the current run of failures began, by the wall clock, because it is displayed. */
  readonly since: number
}

/** The refresh in flight, which callers join. */
export interface InFlight extends RunningRefresh {
  readonly result: Deferred.Deferred<TimedSnapshot, RefreshError>
  /**
   * Whether its list must come from a read that begins after the refresh does: one that another replica read earlier is not
   * enough.
   */
  readonly mustBeNew: boolean
}

/** Changed only by its methods; but the refresher sets `inFlight`, and `retained` takes snapshots of other replicas. */
export class ServingState {
  readonly policy: FreshnessPolicy
  readonly retained = retainedSnapshots()
  /** The last good read, from which the next one starts; at first that of an earlier process. */
  lastRead: ReadResult | undefined
  /** The newest complete list; one of an earlier process only if it was still servable at the start. */
  current: TimedSnapshot | undefined
  /** The last refresh, if it failed. */
  failure: RefreshFailure | undefined
  inFlight: InFlight | undefined
  #lastAskedAt = Number.NEGATIVE_INFINITY

  constructor(policy: FreshnessPolicy) {
    this.policy = policy
  }

  get freshness(): FreshnessState {
    return {
      readEndedAt: this.current?.readEndedAt,
      failedAt: this.failure?.at,
      refresh: this.inFlight,
      lastAskedAt: this.#lastAskedAt,
    }
  }

  /** Records a request for the list. */
  asked(now: number): void {
    this.#lastAskedAt = now
  }

  /** Records a successful refresh; returns its list. */
  succeeded(read: ReadResult, now: number): TimedSnapshot {
    this.lastRead = read
    this.current = read.taken
    this.failure = undefined
    this.retained.put(read.taken, now)
    return read.taken
  }

  /** Records a failed refresh. */
  failed(error: RefreshError, now: number, wallNow: number): void {
    this.failure = { error, at: now, since: this.failure?.since ?? wallNow }
  }

  /** Starts from a read of an earlier process: the next read compares with it, and it is served if it is servable. */
  restore(read: ReadResult, now: number): void {
    this.lastRead = read
    if (!isServable({ ...this.freshness, readEndedAt: read.taken.readEndedAt }, this.policy, now)) return
    this.current = read.taken
    this.retained.put(read.taken, now)
    // As if a request had arrived: the list is served while the first refresh runs.
    this.asked(now)
  }
}

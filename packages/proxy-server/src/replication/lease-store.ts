/**
 * The state that replicas share in a Valkey or Redis: who holds the lease, which reads have begun, and the outcome of the
 * last one. Each step is one script, so that a replica that has lost the lease changes nothing.
 */
import { randomUUID } from "node:crypto"
import { Duration, Effect, Option, Schema } from "effect"
import { Digest } from "../persistence/stored-snapshot.ts"
import { RefreshError } from "../refresh/refresh-errors.ts"
import { Moment } from "../snapshot/snapshot.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import type { RedisConnection } from "./redis-connection.ts"

/** How long the lease of a replica that died keeps the others from reading. */
const lease: Duration.Input = "10 seconds"
/** Longer than any outage after which the last list is still useful. */
const keptFor: Duration.Input = "1 day"

/** Bytes of a stored text; the longest is an outcome with an error's message. */
const longestText = 64 * 1024

/** The outcome of the last read. */
const ReadOutcome = Schema.Struct({
  /** The server's time at which the read began, in milliseconds, or one more than the number before. */
  number: Moment,
  failure: Schema.NullOr(RefreshError),
  /** The last good snapshot, of this read or of an earlier one. */
  snapshot: Schema.NullOr(
    Schema.Struct({
      /** `storedDigest`. */
      digest: Digest,
      /** Both in steady milliseconds of the replica that wrote the outcome. */
      readStartedAt: Moment,
      readEndedAt: Moment,
      /** By the wall clock. */
      changedAt: Moment,
    }),
  ),
})
type ReadOutcome = typeof ReadOutcome.Type
/** A snapshot by its digest and times. */
export type NamedSnapshot = NonNullable<ReadOutcome["snapshot"]>

/** The stored form: with the time of writing, in the same steady milliseconds. */
const StoredOutcome = Schema.fromJsonString(Schema.Struct({ at: Moment, outcome: ReadOutcome }))
const encodeOutcome = Schema.encodeSync(StoredOutcome)
const decodeOutcome = Schema.decodeUnknownOption(StoredOutcome)

/** See `makeLeaseStore`. */
export type LeaseStore = ReturnType<typeof makeLeaseStore>

const leaseMillis = Duration.toMillis(lease)
const keptMillis = Duration.toMillis(keptFor)

// A value that is not text, is too long, or has no expiry within bounds, is not ours and is deleted. A number in the far
// future does not count: it would block new ones for ever.
const scriptLibrary = `
  local function ownText(key, longest)
    local value = redis.pcall('get', key)
    local left = redis.call('pttl', key)
    if type(value) == 'string' and #value <= ${longestText} and left > 0 and left <= longest then return value end
    redis.call('del', key)
    return false
  end
  local time = redis.call('time')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local function number(key)
    local value = tonumber(ownText(key, ${keptMillis}))
    return value and value < now + ${keptMillis} and value or -1
  end
  local function digits(number) return string.format('%.0f', number) end
`
const clusterState = `
  local outcome = ownText(KEYS[1], ${keptMillis})
  return {outcome, digits(redis.call('pttl', KEYS[1])), digits(number(KEYS[2])), ownText(KEYS[3], ${leaseMillis})}`
const withLease = (script: string) => `if ownText(KEYS[1], ${leaseMillis}) ~= ARGV[1] then return {false} end ${script}`
const scripts = {
  acquireLease: `
    local holder = ownText(KEYS[1], ${leaseMillis})
    if holder and holder ~= ARGV[1] then return {false} end
    redis.call('set', KEYS[1], ARGV[1], 'PX', ${leaseMillis})
    return {holder and 'kept' or 'taken'}`,
  renewLease: withLease(`redis.call('pexpire', KEYS[1], ${leaseMillis}) return {'kept'}`),
  release: withLease("redis.call('del', KEYS[1]) return {}"),
  begin: withLease(`
    local begun = digits(math.max(now, number(KEYS[2]) + 1))
    redis.call('set', KEYS[2], begun, 'PX', ${keptMillis})
    return {begun}`),
  publish: withLease(`redis.call('set', KEYS[2], ARGV[2], 'PX', ${keptMillis}) return {'published'}`),
  read: clusterState,
  requestNewer: `
    redis.call('set', KEYS[4], digits(math.max(ARGV[1], number(KEYS[4]))), 'PX', ${leaseMillis})
    ${clusterState}`,
  isWanted: `return {digits(number(KEYS[1])), ownText(KEYS[2], ${keptMillis}), digits(number(KEYS[3]))}`,
}

/**
 * Replicas agree here on which of them reads the upstreams. Reads have numbers that only grow, also across a flush, so "a
 * read that begins after now" needs no clock that two machines share.
 *
 * @param key gives the full name of a key, with our prefix
 */
export const makeLeaseStore = (redis: RedisConnection, key: (name: string) => string) => {
  const me = randomUUID()
  const keys = { lease: key("lease"), outcome: key("outcome"), begun: key("begun"), wanted: key("wanted") }
  const run = (script: keyof typeof scripts, keys: ReadonlyArray<string>, values: ReadonlyArray<string>) =>
    redis.run(scriptLibrary + scripts[script], keys, values)
  /** A read that never began has no outcome. If the last number was lost, the outcome is trusted. */
  const outcomeFrom = (text: string | null | undefined, begun: number) =>
    decodeOutcome(text).pipe(Option.filter(({ outcome }) => begun < 0 || outcome.number <= begun))
  const clusterStateFrom = Effect.fnUntraced(function* (reply: ReturnType<typeof run>) {
    // Before the call: a slow response must not make a list look younger.
    const askedAt = yield* steadyMillis
    const [stored, endsIn, begun, holder] = yield* reply
    const outcomeAge = keptMillis - wholeNumber(endsIn)
    const begunNumber = wholeNumber(begun)
    const isDated = outcomeAge >= 0 && outcomeAge <= keptMillis
    return {
      /** With its times by our clock, however far the writer's clock is off. */
      outcome: Option.getOrUndefined(
        outcomeFrom(stored, begunNumber).pipe(
          Option.filter(() => isDated),
          Option.map(({ at, outcome }) => convertTimes(outcome, at, askedAt - outcomeAge)),
        ),
      ),
      /** Milliseconds since the outcome was written. */
      outcomeAge,
      /** The number of the last read that began; below 0 if unknown. */
      begun: begunNumber,
      hasLeader: typeof holder === "string",
    }
  })
  return {
    /** Takes the lease or renews it; `undefined` if another replica holds it. */
    acquireLease: Effect.map(run("acquireLease", [keys.lease], [me]), ([role]) =>
      role === "kept" || role === "taken" ? role : undefined,
    ),
    /** Extends the lease; false if it is lost. */
    renewLease: Effect.map(run("renewLease", [keys.lease], [me]), ([kept]) => kept === "kept"),
    /** Gives up the lease. */
    release: Effect.asVoid(run("release", [keys.lease], [me])),
    /** The number of a read that begins now; `undefined` if the lease is lost. */
    begin: Effect.map(run("begin", [keys.lease, keys.begun], [me]), ([text]) => {
      const number = wholeNumber(text)
      return number < 0 ? undefined : number
    }),
    /** Stores the outcome of a read; does nothing if the lease is lost. */
    publish: Effect.fnUntraced(function* (outcome: ReadOutcome) {
      const stored = encodeOutcome({ at: yield* steadyMillis, outcome })
      yield* run("publish", [keys.lease, keys.outcome], [me, stored])
    }),
    /** The state that the replicas share, as this one reads it. */
    read: clusterStateFrom(run("read", [keys.outcome, keys.begun, keys.lease], [])),
    /** Asks the leader for a read with a higher number; the request expires unless it is repeated. */
    requestNewer: (above: number) =>
      clusterStateFrom(run("requestNewer", [keys.outcome, keys.begun, keys.lease, keys.wanted], [String(above)])),
    /** Whether a replica has requested a read that is newer than the stored outcome. */
    isWanted: Effect.map(run("isWanted", [keys.wanted, keys.outcome, keys.begun], []), ([wanted, stored, begun]) => {
      const last = wholeNumber(begun)
      const number = Option.getOrUndefined(outcomeFrom(stored, last))?.outcome.number ?? -1
      const above = wholeNumber(wanted)
      // A waiting replica knows the last number: a higher one would make the leader read for ever.
      return number <= above && above >= 0 && above <= Math.max(last, number, 0)
    }),
  }
}

/** A number that a script wrote; below 0 for anything else. */
const wholeNumber = (text: string | null | undefined): number => (/^[0-9]{1,16}$/.test(text ?? "") ? Number(text) : -1)

/**
 * Converts the times of another clock to ours: the age at the time of writing is by the writer's clock, the time since by
 * the server's. A snapshot dated after the time of writing has no known age and is dropped. `changedAt` is served to
 * callers, so it stays the same on all replicas.
 *
 * @param at the time of writing, by the writer's clock
 * @param writtenAt the same moment by our clock
 */
const convertTimes = (outcome: ReadOutcome, at: number, writtenAt: number): ReadOutcome => {
  if (outcome.snapshot === null) return outcome
  const { readStartedAt, readEndedAt } = outcome.snapshot
  if (readStartedAt > at || readEndedAt > at) return { ...outcome, snapshot: null }
  const times = { readStartedAt: writtenAt - (at - readStartedAt), readEndedAt: writtenAt - (at - readEndedAt) }
  return { ...outcome, snapshot: { ...outcome.snapshot, ...times } }
}

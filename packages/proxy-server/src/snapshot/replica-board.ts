import { randomUUID } from "node:crypto"
import { Duration, Effect, Option, Schema } from "effect"
import type { RedisConnection, SharedCacheUnavailable } from "./redis-connection.ts"
import { RefreshError } from "./refresh-errors.ts"
import { steadyMillis } from "./steady-clock.ts"

/** How long a replica that died keeps the others from reading. */
const lease: Duration.Input = "10 seconds"
/** Longer than any outage that somebody wants to go on from. */
const keptFor: Duration.Input = "1 day"

/** What came of the last read. All times are in steady milliseconds of who wrote it. */
const Said = Schema.Struct({
  number: Schema.Int,
  failure: Schema.NullOr(RefreshError),
  /** The last good snapshot, of this read or of an earlier one. */
  snapshot: Schema.NullOr(
    Schema.Struct({
      /** `storedDigest`. */
      digest: Schema.String,
      takenAt: Schema.Int,
      heldSince: Schema.Int,
      changedAt: Schema.Int,
    }),
  ),
})
export type Said = typeof Said.Type
/** A snapshot by its digest and times. */
export type NamedSnapshot = NonNullable<Said["snapshot"]>

/** As it is written: also when that was, by the clock of who wrote it, as all its times are. */
const Written = Schema.fromJsonString(Schema.Struct({ at: Schema.Int, said: Said }))
const encodeWritten = Schema.encodeSync(Written)
const decodeWritten = Schema.decodeUnknownOption(Written)

/** How things stand among the replicas. */
export interface Standing {
  /** With its times by our clock, however far the clock of who said it is off. */
  readonly said: Said | undefined
  /** Milliseconds since it was said. */
  readonly saidFor: number
  /** The number of the last read that was begun; below 0 where that is not known. */
  readonly begun: number
  readonly hasLeader: boolean
}

type Reply<A> = Effect.Effect<A, SharedCacheUnavailable>

/**
 * Where replicas agree, in a Valkey or Redis, on who reads the upstreams and what came of it. Reads have numbers that only
 * grow, also over a flush; so "a read that begins after now" needs no clock that two machines share.
 */
export interface ReplicaBoard {
  /** Takes the lease or keeps it: `undefined` where another replica has it. */
  readonly lead: Reply<"kept" | "taken" | undefined>
  /** Keeps the lease for longer; false where it is lost. */
  readonly keep: Reply<boolean>
  /** Gives the lease back. */
  readonly release: Reply<void>
  /** The number of a read that begins now; `undefined` where the lease is lost. */
  readonly begin: Reply<number | undefined>
  /** Says what came of a read; nothing where the lease is lost. */
  readonly say: (said: Said) => Reply<void>
  readonly look: Reply<Standing>
  /** Wants a read with a number above this one, for as long as it is called again and again. */
  readonly want: (above: number) => Reply<Standing>
  /** Whether a read is wanted that is newer than what was said. */
  readonly isWanted: Reply<boolean>
}

const leaseMillis = Duration.toMillis(lease)
const keptMillis = Duration.toMillis(keptFor)

// Scripts, for each step must be one: whoever lost the lease a moment ago must change nothing. What is no text or does not
// end in time is not ours, nor is a number of the day after tomorrow: it would be in the way for ever.
const reading = `
  local function text(key, longest)
    local value = redis.pcall('get', key)
    local left = redis.call('pttl', key)
    if type(value) == 'string' and left > 0 and left <= longest then return value end
    redis.call('del', key)
    return false
  end
  local time = redis.call('time')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local function number(key)
    local value = tonumber(text(key, ${keptMillis}))
    return value and value < now + ${keptMillis} and value or -1
  end
  local function written(number) return string.format('%.0f', number) end
`
const standing = `
  local said = text(KEYS[1], ${keptMillis})
  return {said, written(redis.call('pttl', KEYS[1])), written(number(KEYS[2])), text(KEYS[3], ${leaseMillis})}`
const withLease = (script: string) => `if text(KEYS[1], ${leaseMillis}) ~= ARGV[1] then return {false} end ${script}`
const scripts = {
  lead: `
    local holder = text(KEYS[1], ${leaseMillis})
    if holder and holder ~= ARGV[1] then return {false} end
    redis.call('set', KEYS[1], ARGV[1], 'PX', ${leaseMillis})
    return {holder and 'kept' or 'taken'}`,
  keep: withLease(`redis.call('pexpire', KEYS[1], ${leaseMillis}) return {'kept'}`),
  release: withLease("redis.call('del', KEYS[1]) return {}"),
  begin: withLease(`
    local begun = written(math.max(now, number(KEYS[2]) + 1))
    redis.call('set', KEYS[2], begun, 'PX', ${keptMillis})
    return {begun}`),
  say: withLease(`redis.call('set', KEYS[2], ARGV[2], 'PX', ${keptMillis}) return {'said'}`),
  look: standing,
  want: `
    redis.call('set', KEYS[4], written(math.max(ARGV[1], number(KEYS[4]))), 'PX', ${leaseMillis})
    ${standing}`,
  isWanted: `return {written(number(KEYS[1])), text(KEYS[2], ${keptMillis})}`,
}

/** @param key the whole of a key, with the prefix that all of ours have */
export const makeReplicaBoard = (redis: RedisConnection, key: (name: string) => string): ReplicaBoard => {
  const me = randomUUID()
  const keys = { lease: key("lease"), said: key("said"), begun: key("begun"), wanted: key("wanted") }
  const run = (script: keyof typeof scripts, keys: ReadonlyArray<string>, values: ReadonlyArray<string>) =>
    redis.run(reading + scripts[script], keys, values)
  const standingOf = Effect.fnUntraced(function* ([written, endsIn, begun, holder]: ReadonlyArray<string | null>) {
    const now = yield* steadyMillis
    const saidFor = keptMillis - Number(endsIn)
    return {
      said: Option.getOrUndefined(
        Option.map(decodeWritten(written), ({ at, said }) => moved(said, now - saidFor - at, now)),
      ),
      saidFor,
      begun: Number(begun),
      hasLeader: typeof holder === "string",
    } satisfies Standing
  })
  return {
    lead: Effect.map(run("lead", [keys.lease], [me]), ([role]) =>
      role === "kept" || role === "taken" ? role : undefined,
    ),
    keep: Effect.map(run("keep", [keys.lease], [me]), ([kept]) => kept === "kept"),
    release: Effect.asVoid(run("release", [keys.lease], [me])),
    begin: Effect.map(run("begin", [keys.lease, keys.begun], [me]), ([number]) =>
      typeof number === "string" ? Number(number) : undefined,
    ),
    say: Effect.fnUntraced(function* (said) {
      const written = encodeWritten({ at: yield* steadyMillis, said })
      yield* run("say", [keys.lease, keys.said], [me, written])
    }),
    look: Effect.flatMap(run("look", [keys.said, keys.begun, keys.lease], []), standingOf),
    want: (above) =>
      Effect.flatMap(run("want", [keys.said, keys.begun, keys.lease, keys.wanted], [String(above)]), standingOf),
    isWanted: Effect.map(run("isWanted", [keys.wanted, keys.said], []), ([wanted, written]) => {
      if (Number(wanted) < 0) return false
      const number = Option.match(decodeWritten(written), { onNone: () => -1, onSome: ({ said }) => said.number })
      return number <= Number(wanted)
    }),
  }
}

/** What another clock dates, by ours. `changedAt` is told to callers: it stays as it is, that all replicas say the same. */
const moved = (said: Said, by: number, now: number): Said => {
  if (said.snapshot === null) return said
  const { takenAt, heldSince } = said.snapshot
  const times = { takenAt: Math.min(takenAt + by, now), heldSince: Math.min(heldSince + by, now) }
  return { ...said, snapshot: { ...said.snapshot, ...times } }
}

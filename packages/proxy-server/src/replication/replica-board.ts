import { randomUUID } from "node:crypto"
import { Duration, Effect, Option, Schema } from "effect"
import { Digest, Moment } from "../persistence/stored-snapshot.ts"
import { RefreshError } from "../refresh/refresh-errors.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import type { RedisConnection, SharedCacheUnavailable } from "./redis-connection.ts"

/** How long a replica that died keeps the others from reading. */
const lease: Duration.Input = "10 seconds"
/** Longer than any outage that somebody wants to go on from. */
const keptFor: Duration.Input = "1 day"

/** Characters of what is said: an error's text is the longest part of it. */
const longestSaid = 64 * 1024

/** What came of the last read. All times are in steady milliseconds of who wrote it. */
const Said = Schema.Struct({
  /** A moment, or one more than another number. */
  number: Moment,
  failure: Schema.NullOr(RefreshError),
  /** The last good snapshot, of this read or of an earlier one. */
  snapshot: Schema.NullOr(
    Schema.Struct({
      /** `storedDigest`. */
      digest: Digest,
      takenAt: Moment,
      heldSince: Moment,
      changedAt: Moment,
    }),
  ),
})
export type Said = typeof Said.Type
/** A snapshot by its digest and times. */
export type NamedSnapshot = NonNullable<Said["snapshot"]>

/** As it is written: also when that was, by the clock of who wrote it, as all its times are. */
const Written = Schema.fromJsonString(Schema.Struct({ at: Moment, said: Said }))
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
    if type(value) == 'string' and #value <= ${longestSaid} and left > 0 and left <= longest then return value end
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
  isWanted: `return {written(number(KEYS[1])), text(KEYS[2], ${keptMillis}), written(number(KEYS[3]))}`,
}

/** @param key the whole of a key, with the prefix that all of ours have */
export const makeReplicaBoard = (redis: RedisConnection, key: (name: string) => string): ReplicaBoard => {
  const me = randomUUID()
  const keys = { lease: key("lease"), said: key("said"), begun: key("begun"), wanted: key("wanted") }
  const run = (script: keyof typeof scripts, keys: ReadonlyArray<string>, values: ReadonlyArray<string>) =>
    redis.run(reading + scripts[script], keys, values)
  const standingOf = Effect.fnUntraced(function* ([written, endsIn, begun, holder]: ReadonlyArray<string | null>) {
    const now = yield* steadyMillis
    const saidFor = keptMillis - wholeNumber(endsIn)
    const begunNumber = wholeNumber(begun)
    // Nothing can be said of a read that was not begun; where that was lost, what was said stands.
    const isOurs = (number: number) => begunNumber < 0 || number <= begunNumber
    const isDated = saidFor >= 0 && saidFor <= keptMillis
    return {
      said: Option.getOrUndefined(
        decodeWritten(written).pipe(
          Option.filter(({ said }) => isDated && isOurs(said.number)),
          Option.map(({ at, said }) => moved(said, at, now - saidFor)),
        ),
      ),
      saidFor,
      begun: begunNumber,
      hasLeader: typeof holder === "string",
    } satisfies Standing
  })
  return {
    lead: Effect.map(run("lead", [keys.lease], [me]), ([role]) =>
      role === "kept" || role === "taken" ? role : undefined,
    ),
    keep: Effect.map(run("keep", [keys.lease], [me]), ([kept]) => kept === "kept"),
    release: Effect.asVoid(run("release", [keys.lease], [me])),
    begin: Effect.map(run("begin", [keys.lease, keys.begun], [me]), ([text]) => {
      const number = wholeNumber(text)
      return number < 0 ? undefined : number
    }),
    say: Effect.fnUntraced(function* (said) {
      const written = encodeWritten({ at: yield* steadyMillis, said })
      yield* run("say", [keys.lease, keys.said], [me, written])
    }),
    look: Effect.flatMap(run("look", [keys.said, keys.begun, keys.lease], []), standingOf),
    want: (above) =>
      Effect.flatMap(run("want", [keys.said, keys.begun, keys.lease, keys.wanted], [String(above)]), standingOf),
    isWanted: Effect.map(run("isWanted", [keys.wanted, keys.said, keys.begun], []), ([wanted, written, begun]) => {
      const said = Option.match(decodeWritten(written), { onNone: () => -1, onSome: ({ said }) => said.number })
      const above = wholeNumber(wanted)
      // Who waits has seen how far we are: a number beyond that would have us read for ever.
      return above >= 0 && above <= Math.max(wholeNumber(begun), said, 0) && said <= above
    }),
  }
}

/** A number of ours, written by a script; below 0 for anything else. */
const wholeNumber = (text: string | null | undefined): number => (/^[0-9]{1,16}$/.test(text ?? "") ? Number(text) : -1)

/**
 * What another clock dates, by ours: as old when it was said as that clock knew, and older since. A snapshot that was read
 * after it was spoken of is of no known age, and is not taken. `changedAt` is told to callers: it stays as it is, that all
 * replicas say the same.
 *
 * @param at when it was said, by the clock of who said it
 * @param saidAt the same moment by our clock
 */
const moved = (said: Said, at: number, saidAt: number): Said => {
  if (said.snapshot === null) return said
  const { takenAt, heldSince } = said.snapshot
  if (takenAt > at || heldSince > at) return { ...said, snapshot: null }
  const times = { takenAt: saidAt - (at - takenAt), heldSince: saidAt - (at - heldSince) }
  return { ...said, snapshot: { ...said.snapshot, ...times } }
}

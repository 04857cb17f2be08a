import { Cause, Clock, Context, Deferred, Duration, Effect, Layer } from "effect"
import { Settings } from "../config/settings.ts"
import { forEverybody } from "../observability/refresh-identity.ts"
import { logReading, logRefreshDeath, logRefreshFailure } from "../observability/refresh-log.ts"
import { makeSharedCalls } from "../shared-calls.ts"
import type { Origin, Reading } from "./read-snapshot.ts"
import { RefreshDied, type RefreshError, RefreshTimedOut } from "./refresh-errors.ts"
import type { TakenSnapshot } from "./snapshot.ts"
import { longestRead, SnapshotSource } from "./snapshot-source.ts"
import { steadyNow } from "./steady-clock.ts"
import { walkableSnapshots } from "./walkable-snapshots.ts"

/** A refresh that gave nothing. */
export interface RefreshFailure {
  readonly error: RefreshError
  /** When it was known, in steady milliseconds. */
  readonly at: number
  /** When the first of the failures without a success in between was known, by the wall clock: it is shown. */
  readonly since: number
}

/** What is held right now. */
export interface Held {
  readonly current: TakenSnapshot | undefined
  /** How the current one came here. */
  readonly origin: Origin | undefined
  /** The last refresh, where it failed. */
  readonly failure: RefreshFailure | undefined
  /** When the refresh began that runs for longer than it should, in steady milliseconds. */
  readonly slowSince: number | undefined
  /** Whether the list is older than it should be while somebody asks for it. */
  readonly isOverdue: boolean
  /** Whether this process reads the upstreams itself. */
  readonly isLeading: boolean
  /** What does not work of keeping and sharing, in words. */
  readonly troubles: ReadonlyArray<string>
}

/** Milliseconds; as long as a circuit breaker stays open. */
const longestPause = 5000
/** Milliseconds that a refresh may take before it is told as slow, and the last good list answers in its place. */
const longestWait = 30_000
/** Milliseconds between the starts of two refreshes that callers ask for by `no-cache`, whoever they are. */
const renewEvery = 1000
/** For a refresh as a whole: a read of our own, and what it may have to wait for among replicas. */
const longestRefresh = Duration.sum(longestRead, Duration.minutes(5))

/** A refresh that runs. */
interface Flight {
  readonly landing: Deferred.Deferred<TakenSnapshot, RefreshError>
  /** In steady milliseconds. */
  readonly begunAt: number
  /** Begun as the snapshot became old, because somebody had asked lately: nobody need wait for it. */
  readonly isInTime: boolean
  /** Whether what it gives was read after it began. */
  readonly mustBeNew: boolean
}

/**
 * The tree that requests are answered from. There is never a second refresh beside one that runs; while somebody asks
 * now and then, refreshes run in the background and no request waits for one.
 */
export class Snapshots extends Context.Service<
  Snapshots,
  {
    /**
     * The snapshot that answers now without waiting: one younger than `cache.fresh_for`, one that is being renewed in
     * the background, or while upstreams fail the last good one, up to `cache.stale_if_error`. `undefined` where a
     * refresh must be waited for. Counts as somebody asking where it answers.
     */
    readonly ready: () => TakenSnapshot | undefined
    /**
     * As `ready`, and where that is nothing what the next refresh gives, or why it gives nothing. Counts as somebody
     * asking.
     */
    readonly current: Effect.Effect<TakenSnapshot, RefreshError>
    /**
     * What a refresh gives that begins after the call: at once, or within a second of the last that was asked for so, when
     * that second is over. Within seconds of a failure, and while a refresh is slow, as `current`.
     */
    readonly renewed: Effect.Effect<TakenSnapshot, RefreshError>
    /** Refreshes now if the last refresh failed: its cause, such as a secret that was refused, may be gone. */
    readonly retryNow: Effect.Effect<void>
    /** The snapshot of this id, while a walk through its pages may still go on, here or at another replica. */
    readonly walkable: (id: string) => Effect.Effect<TakenSnapshot | undefined>
    /** What is held, without waiting for anything. */
    readonly held: () => Held
  }
>()("@cscs/proxy-server/Snapshots") {
  /** The first refresh begins when the layer is built. */
  static readonly layer: Layer.Layer<Snapshots, never, Settings | SnapshotSource> = Layer.effect(
    Snapshots,
    Effect.gen(function* () {
      const { cache } = yield* Settings
      const freshFor = Duration.toMillis(cache.freshFor)
      const staleIfError = Duration.toMillis(cache.staleIfError)
      const keepWarmFor = Duration.toMillis(cache.keepWarmFor)
      /** Between a failure and the next try: an upstream that is well again is noticed within seconds. */
      const pause = Math.min(Math.max(freshFor, 1000), longestPause)
      const source = yield* SnapshotSource
      const context = yield* Effect.context<never>()
      const clock = yield* Clock.Clock
      const scope = yield* Effect.scope
      const walkable = walkableSnapshots()
      const fetches = makeSharedCalls(2, "5 seconds")
      let last: Reading | undefined
      /** May answer: whole, and not too old when it came. */
      let current: TakenSnapshot | undefined
      let failure: RefreshFailure | undefined
      let flight: Flight | undefined
      let lastAsked = Number.NEGATIVE_INFINITY
      /** When the last refresh began that must be new. */
      let lastRenewal = Number.NEGATIVE_INFINITY

      const now = () => steadyNow(clock)
      const isServable = (taken: TakenSnapshot) => now() - taken.heldSince < freshFor + staleIfError
      // Without a time of freshness there is nothing to keep.
      const isWarm = () => freshFor > 0 && now() - lastAsked < keepWarmFor
      const isSlow = () => flight !== undefined && now() - flight.begunAt >= longestWait
      const failedLately = () => failure !== undefined && flight === undefined && now() - failure.at < pause

      const refresh = (mustBeNew: boolean) =>
        Effect.suspend(() => source.renew(last, mustBeNew)).pipe(
          Effect.timeoutOrElse({
            duration: longestRefresh,
            orElse: () =>
              Effect.fail(
                new RefreshTimedOut({ waitedFor: "another replica", minutes: Duration.toMinutes(longestRefresh) }),
              ),
          }),
          Effect.flatMap((reading) => {
            const before = current?.snapshot
            const at = now()
            last = reading
            current = reading.taken
            failure = undefined
            walkable.put(current, at)
            return Effect.as(logReading(reading, before, at), current)
          }),
          // Whatever else it ends in is a fault of our own, and a failure like any other. Where the process stops, nobody sees it.
          Effect.catchCause((cause) => {
            const error = Cause.findErrorOption(cause)
            const failed = error._tag === "Some" ? error.value : new RefreshDied({ kind: kindOf(cause) })
            const at = now()
            const isKnown = failure?.error.message === failed.message
            failure = { error: failed, at, since: failure?.since ?? clock.currentTimeMillisUnsafe() }
            const log =
              error._tag === "Some" ? logRefreshFailure(error.value, current, at) : logRefreshDeath(cause, isKnown)
            return Effect.andThen(log, Effect.fail(failed))
          }),
          forEverybody("refresh"),
        )

      /** Begins a refresh unless one runs. It belongs to the layer, so that no caller's leaving ends it. */
      const begin = (isInTime: boolean, mustBeNew = false) =>
        Effect.suspend(() => {
          if (flight !== undefined) return Effect.succeed(flight.landing)
          const landing = Deferred.makeUnsafe<TakenSnapshot, RefreshError>()
          flight = { landing, begunAt: now(), isInTime, mustBeNew }
          if (mustBeNew) lastRenewal = flight.begunAt
          return refresh(mustBeNew).pipe(
            Effect.provideContext(context),
            Effect.onExit((exit) => {
              flight = undefined
              return Deferred.done(landing, exit)
            }),
            Effect.forkIn(scope),
            Effect.as(landing),
            // An interruption before the start would leave a flight that nobody flies.
            Effect.uninterruptible,
          )
        })
      const join = (isInTime: boolean, mustBeNew = false) => Effect.flatMap(begin(isInTime, mustBeNew), Deferred.await)
      const beginInTime = () => Effect.runForkWith(context)(begin(true))

      const withoutWaiting = (): TakenSnapshot | undefined => {
        if (current === undefined || now() - current.heldSince < freshFor) return current
        // Where every request is to read Waldur, one that fails is waited for too.
        if (failure !== undefined && isServable(current) && freshFor > 0) {
          // While an upstream fails, nobody waits for its deadlines: the next try runs beside the answer.
          if (now() - failure.at >= pause && flight === undefined) beginInTime()
          return current
        }
        if (isSlow() && isServable(current)) return current
        if (failure !== undefined || !isWarm() || !isServable(current)) return undefined
        if (flight === undefined) beginInTime()
        return flight?.isInTime === false ? undefined : current
      }
      const ready = (): TakenSnapshot | undefined => {
        const taken = withoutWaiting()
        // Who must wait has not been answered yet: if he counted already, the list would be warm when he asks for `current`.
        if (taken !== undefined) lastAsked = now()
        return taken
      }

      const lastGood = () => (current !== undefined && isServable(current) ? current : undefined)
      /** What a refresh gives; where it fails or takes long the last good one, as long as there is one. */
      const orLastGood = (refreshed: Effect.Effect<TakenSnapshot, RefreshError>) =>
        refreshed.pipe(
          Effect.raceFirst(
            Effect.andThen(
              Effect.sleep(longestWait),
              Effect.suspend(() => {
                const taken = lastGood()
                return taken === undefined ? Effect.never : Effect.succeed(taken)
              }),
            ),
          ),
          Effect.catch((error) => {
            const taken = lastGood()
            return taken === undefined ? Effect.fail(error) : Effect.succeed(taken)
          }),
        )
      /** Milliseconds until a refresh may begin that somebody asks for. */
      const untilTurn = () => Math.max(0, lastRenewal + renewEvery - now())

      /**
       * Renews the snapshot as it ages while somebody asks now and then. Until there is one, whether anybody asks or not: a
       * balancer sends nobody to a replica that is not ready.
       */
      const keepFresh = Effect.gen(function* () {
        const due = failure === undefined ? (current?.heldSince ?? 0) + freshFor : failure.at + pause
        const wait = current === undefined && failure === undefined ? 0 : due - now()
        if (wait > 0) return yield* Effect.sleep(wait)
        if (current !== undefined && !isWarm()) return yield* Effect.sleep(pause)
        yield* Effect.exit(join(true))
      })

      const earlier = yield* source.earlier
      // An older one tells nothing of what Waldur may have lost since.
      const rememberedFor = Math.max(freshFor + staleIfError, Duration.toMillis(cache.emptyGuard))
      if (earlier !== undefined && now() - earlier.taken.heldSince < rememberedFor) last = earlier
      if (last !== undefined && isServable(last.taken)) {
        current = last.taken
        walkable.put(current, now())
        // As if somebody had asked: it answers while the first refresh runs.
        lastAsked = now()
      }
      // However young: a restart is the cure for what was wrong before.
      if (last?.origin === "file") yield* begin(true)
      yield* Effect.forkIn(Effect.forever(keepFresh), scope)
      const joinWanted = source.wanted.pipe(
        Effect.andThen(Effect.suspend(() => Effect.sleep(untilTurn()))),
        Effect.andThen(
          Effect.suspend(() => {
            lastRenewal = now()
            return Effect.exit(join(true))
          }),
        ),
      )
      yield* Effect.forkIn(Effect.forever(joinWanted), scope)

      return Snapshots.of({
        ready,
        current: Effect.suspend(() => {
          const taken = ready()
          lastAsked = now()
          if (taken !== undefined) return Effect.succeed(taken)
          // An upstream that refuses at once would else be asked as often as we are.
          if (failure !== undefined && freshFor > 0 && failedLately()) return Effect.fail(failure.error)
          return orLastGood(join(false))
        }),
        renewed: Effect.suspend(() => {
          const wasWarm = isWarm()
          const calledAt = now()
          lastAsked = calledAt
          // Callers who insist must not make an upstream that is down be asked as often as they like.
          if (failure !== undefined && failedLately()) return orLastGood(Effect.fail(failure.error))
          const landed = flight === undefined ? Effect.void : Effect.exit(Deferred.await(flight.landing))
          const read: Effect.Effect<TakenSnapshot, RefreshError> = Effect.suspend(() => {
            if (flight?.mustBeNew) return Deferred.await(flight.landing)
            // Another may begin meanwhile that is content with what another replica read before.
            if (flight !== undefined) return Effect.andThen(Effect.exit(Deferred.await(flight.landing)), read)
            if (current !== undefined && current.takenAt > calledAt) return Effect.succeed(current)
            const wait = untilTurn()
            return wait > 0 ? Effect.andThen(Effect.sleep(wait), read) : join(wasWarm, true)
          })
          return orLastGood(Effect.andThen(landed, read))
        }),
        retryNow: Effect.suspend(() => {
          const landed = flight === undefined ? Effect.void : Effect.exit(Deferred.await(flight.landing))
          return Effect.andThen(
            landed,
            Effect.suspend(() => (failure === undefined ? Effect.void : Effect.asVoid(begin(true, true)))),
          )
        }),
        walkable: (id) => {
          const here = walkable.get(id)
          if (here !== undefined) return Effect.succeed(here)
          const fetched = Effect.tap(source.byId(id), (found) =>
            Effect.sync(() => {
              if (found !== undefined) walkable.putEarlier(found, now())
            }),
          )
          // A whole list for each of many who ask for it would fill the memory.
          return Effect.catch(fetches(id, fetched), () => Effect.undefined)
        },
        held: () => ({
          current,
          origin: current === undefined ? undefined : last?.origin,
          failure,
          slowSince: isSlow() ? flight?.begunAt : undefined,
          isOverdue:
            current !== undefined &&
            isWarm() &&
            now() - current.heldSince > freshFor + longestWait &&
            (flight === undefined || isSlow()),
          isLeading: source.isLeading(),
          troubles: source.troubles(),
        }),
      })
    }),
  )
}

/** The kind of a fault of our own, for those who must not see its message. */
const kindOf = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  const defect = Cause.squash(cause)
  return defect instanceof Error ? defect.constructor.name : typeof defect
}

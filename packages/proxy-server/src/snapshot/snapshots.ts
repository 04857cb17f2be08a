import type { WaldurClient } from "@cscs/waldur-client"
import { Clock, Context, Deferred, Duration, Effect, Exit, Layer, Schedule } from "effect"
import { Settings } from "../config/settings.ts"
import { logRefreshFailure, logSnapshot } from "../observability/refresh-log.ts"
import type { ProjectGids } from "./project-gids.ts"
import { type RefreshError, readSnapshot } from "./read-snapshot.ts"
import type { Snapshot } from "./snapshot.ts"

/** A refresh that gave nothing. */
export interface RefreshFailure {
  readonly error: RefreshError
  /** When it was known, in milliseconds since 1970. */
  readonly at: number
  /** When the first of the failures without a success in between was known, likewise. */
  readonly since: number
}

/** What is held right now. */
export interface Held {
  readonly snapshot: Snapshot | undefined
  /** When the snapshot was whole, in milliseconds since 1970: a slow Waldur shall not make it stale before it is there. */
  readonly heldSince: number
  /** The last refresh, where it failed. */
  readonly failure: RefreshFailure | undefined
}

/**
 * The tree that requests are answered from. Whoever asks while a refresh runs waits for that one: there is never a
 * second.
 */
export class Snapshots extends Context.Service<
  Snapshots,
  {
    /**
     * A snapshot younger than `cache.fresh_for`; while upstreams fail the last good one, up to `cache.stale_if_error`;
     * else the failure.
     */
    readonly current: Effect.Effect<Snapshot, RefreshError>
    /** What is held, without waiting for anything. */
    readonly held: Effect.Effect<Held>
  }
>()("@cscs/proxy-server/Snapshots") {
  /** The first refresh begins when the layer is built. */
  static readonly layer: Layer.Layer<Snapshots, never, Settings | WaldurClient | ProjectGids> = Layer.effect(
    Snapshots,
    Effect.gen(function* () {
      const { cache } = yield* Settings
      const freshFor = Duration.toMillis(cache.freshFor)
      const staleIfError = Duration.toMillis(cache.staleIfError)
      const context = yield* Effect.context<Settings | WaldurClient | ProjectGids>()
      const scope = yield* Effect.scope
      let held: Held = { snapshot: undefined, heldSince: 0, failure: undefined }
      let flight: Deferred.Deferred<Snapshot, RefreshError> | undefined

      const refresh = Effect.gen(function* () {
        const exit = yield* Effect.exit(readSnapshot(held.snapshot))
        const at = yield* Clock.currentTimeMillis
        if (Exit.isSuccess(exit)) {
          yield* logSnapshot(exit.value, held.snapshot, at)
          held = { snapshot: exit.value, heldSince: at, failure: undefined }
        } else {
          const error = Exit.findErrorOption(exit)
          if (error._tag === "None") yield* Effect.logError("Refresh ended unexpectedly", exit.cause)
          else {
            yield* logRefreshFailure(error.value, held.snapshot, at)
            held = { ...held, failure: { error: error.value, at, since: held.failure?.since ?? at } }
          }
        }
        return yield* exit
      })

      /** Joins the refresh that runs, or starts one. It belongs to the layer, so that no caller's leaving ends it. */
      const join = Effect.suspend(() => {
        if (flight !== undefined) return Deferred.await(flight)
        const started = Deferred.makeUnsafe<Snapshot, RefreshError>()
        flight = started
        return refresh.pipe(
          Effect.provideContext(context),
          Effect.onExit((exit) => {
            flight = undefined
            return Deferred.done(started, exit)
          }),
          Effect.forkIn(scope),
          // An interruption before the start would leave a flight that nobody flies.
          Effect.uninterruptible,
          Effect.andThen(Deferred.await(started)),
        )
      })

      const current = Effect.gen(function* () {
        const { snapshot, heldSince, failure } = held
        const now = yield* Clock.currentTimeMillis
        const isServable = (at: number) => at - heldSince < freshFor + staleIfError
        if (snapshot === undefined) return yield* join
        if (now - heldSince < freshFor) return snapshot
        if (failure !== undefined && isServable(now)) {
          // While an upstream fails, nobody waits for its deadlines: the next try runs beside the answer.
          if (now - failure.at >= freshFor) yield* Effect.forkIn(Effect.ignore(join), scope)
          return snapshot
        }
        return yield* Effect.catch(join, (error) =>
          Effect.flatMap(Clock.currentTimeMillis, (at) =>
            isServable(at) ? Effect.succeed(snapshot) : Effect.fail(error),
          ),
        )
      })

      // A balancer sends nobody to a replica that is not ready: it must come up without being asked.
      const again = Schedule.spaced(Duration.max(cache.freshFor, Duration.seconds(1)))
      yield* Effect.forkIn(Effect.ignore(Effect.retry(join, again)), scope)
      return Snapshots.of({ current, held: Effect.sync(() => held) })
    }),
  )
}

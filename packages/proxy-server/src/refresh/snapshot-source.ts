/** The interface of snapshot sources, and the source that reads the upstreams. */
import type { WaldurClient } from "@cscs/waldur-client"
import { Context, Duration, Effect } from "effect"
import type { Settings } from "../config/settings.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import type { GidSource } from "./gid-source.ts"
import { type ReadResult, readSnapshot } from "./read-snapshot.ts"
import { type RefreshError, RefreshTimedOut } from "./refresh-errors.ts"

/** Where snapshots come from: the upstreams and, if configured, other replicas and, at start, our own file. */
export interface Source {
  /** The newest snapshot that an earlier process or another replica stored; `undefined` if there is none. Read once, at start. */
  readonly earlier: Effect.Effect<ReadResult | undefined>
  /**
   * A snapshot that is newer than the last one.
   *
   * @param last the last good read, from which a read of changes starts
   * @param mustBeNew whether its read must begin after the call
   */
  readonly renew: (last: ReadResult | undefined, mustBeNew: boolean) => Effect.Effect<ReadResult, RefreshError>
  /** Completes when another replica waits for a read by this one. */
  readonly wanted: Effect.Effect<void>
  /** A snapshot that another replica has, by the id of its entries. */
  readonly byId: (id: string) => Effect.Effect<TimedSnapshot | undefined>
  /** Whether this process reads the upstreams itself. */
  readonly isLeading: () => boolean
  /** Failures of persistence and of the shared cache, in words. */
  readonly degradations: () => ReadonlyArray<string>
}

/** The source that `Snapshots` uses. */
export class SnapshotSource extends Context.Service<SnapshotSource, Source>()("@cscs/proxy-server/SnapshotSource") {}

/**
 * Limit of a read of the upstreams. A hundred thousand resources, in pages of 300 that take 15 seconds each, eight at a time,
 * take 11 minutes; each call has its own deadline, so only an upstream that sends very slowly takes longer.
 */
export const longestRead = Duration.minutes(30)

/** Reads the upstreams, without other replicas or a file. */
export const upstreamSource = Effect.map(
  Effect.context<Settings | WaldurClient | GidSource>(),
  (context): Source => ({
    isLeading: () => true,
    earlier: Effect.succeed(undefined),
    renew: (last) =>
      readSnapshot(last).pipe(
        Effect.provideContext(context),
        Effect.timeoutOrElse({
          duration: longestRead,
          orElse: () =>
            Effect.fail(new RefreshTimedOut({ waitedFor: "upstreams", minutes: Duration.toMinutes(longestRead) })),
        }),
      ),
    wanted: Effect.never,
    byId: () => Effect.succeed(undefined),
    degradations: () => [],
  }),
)

/** Reads the upstreams once, for a command. */
import type { InvalidProxy } from "@cscs/http-transport"
import { type ResourceQuery, WaldurClient } from "@cscs/waldur-client"
import { Effect, Layer } from "effect"
import { type ProxySettings, Settings } from "../config/settings.ts"
import type { GidSource } from "../refresh/gid-source.ts"
import { readSnapshot } from "../refresh/read-snapshot.ts"
import type { RefreshError } from "../refresh/refresh-errors.ts"
import type { Snapshot } from "../snapshot/snapshot.ts"
import { gidSourceLayer, waldurLayer } from "../wiring/proxy-layer.ts"

/** Progress of a read: the resources received so far, and their total. */
export type OnProgress = (resources: number, total: number) => void

/** The upstreams for a command that reads once: nothing is stored, and nothing shared with replicas. */
export const onceLayer = (
  settings: ProxySettings,
  onProgress?: OnProgress,
): Layer.Layer<WaldurClient | GidSource | Settings, InvalidProxy> => {
  const waldur = waldurLayer(settings)
  return Layer.mergeAll(
    Layer.succeed(Settings)(settings),
    gidSourceLayer(settings),
    onProgress === undefined ? waldur : counting(onProgress).pipe(Layer.provide(waldur)),
  )
}

/** Waldur's client with progress reports. After a restarted read the count never exceeds the total. */
const counting = (onProgress: OnProgress) =>
  Layer.effect(
    WaldurClient,
    Effect.map(WaldurClient, (waldur) => {
      const counted = (query: ResourceQuery, total: number): ResourceQuery => {
        let resources = 0
        return {
          ...query,
          onRows: (rows) =>
            Effect.suspend(() => {
              resources = Math.min(total, resources + rows.length)
              onProgress(resources, total)
              return query.onRows?.(rows) ?? Effect.void
            }),
        }
      }
      return WaldurClient.of({
        ...waldur,
        readResources: (query, last) =>
          waldur.resourcePage({ offeringSlugs: query.offeringSlugs, page: 1, pageSize: 1 }).pipe(
            Effect.map(({ total }) => counted(query, total)),
            // One row of another offering, which a read of all accepts: only progress needs this call.
            Effect.catchTag("WaldurTooOld", () => Effect.succeed(query)),
            Effect.flatMap((wanted) => waldur.readResources(wanted, last)),
          ),
      })
    }),
  )

/**
 * Reads Waldur and the HPC User API once, like the first refresh of a process without stored data. Fails whenever such
 * a refresh would: so an unreachable HPC User API never makes a shorter list.
 */
export const snapshotOnce = (
  settings: ProxySettings,
  onProgress?: OnProgress,
): Effect.Effect<Snapshot, RefreshError | InvalidProxy> =>
  readSnapshot(undefined).pipe(
    Effect.map(({ taken }) => taken.snapshot),
    Effect.scoped,
    Effect.provide(onceLayer(settings, onProgress)),
  )

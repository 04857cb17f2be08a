import type { InvalidProxy } from "@cscs/http-transport"
import { type ResourceQuery, WaldurClient } from "@cscs/waldur-client"
import { Effect, Layer } from "effect"
import { type ProxySettings, Settings } from "./config/settings.ts"
import { hpcUserLayer, waldurLayer } from "./proxy-layer.ts"
import { ProjectGids } from "./snapshot/project-gids.ts"
import { readSnapshot } from "./snapshot/read-snapshot.ts"
import type { RefreshError } from "./snapshot/refresh-errors.ts"
import type { Snapshot } from "./snapshot/snapshot.ts"

/** How far a read is, for somebody who waits: resources that came so far. */
export type OnProgress = (resources: number) => void

/** The upstreams for a command that reads once: nothing is kept, and nothing shared with replicas. */
export const onceLayer = (
  settings: ProxySettings,
  onProgress: OnProgress = () => {},
): Layer.Layer<WaldurClient | ProjectGids | Settings, InvalidProxy> => {
  const ours = Layer.succeed(Settings)(settings)
  const hpcUser = hpcUserLayer(settings)
  const gids =
    hpcUser === undefined ? ProjectGids.mockLayer : ProjectGids.layer.pipe(Layer.provide(hpcUser), Layer.provide(ours))
  return Layer.mergeAll(ours, gids, counting(onProgress).pipe(Layer.provide(waldurLayer(settings))))
}

/** Waldur's client, which says how many resources have come; of a read that begins again it counts those too. */
const counting = (onProgress: OnProgress) =>
  Layer.effect(
    WaldurClient,
    Effect.map(WaldurClient, (waldur) => {
      let resources = 0
      const counted = (query: ResourceQuery): ResourceQuery => ({
        ...query,
        onRows: (rows) =>
          Effect.suspend(() => {
            resources += rows.length
            onProgress(resources)
            return query.onRows?.(rows) ?? Effect.void
          }),
      })
      return WaldurClient.of({ ...waldur, readResources: (query) => waldur.readResources(counted(query)) })
    }),
  )

/**
 * Reads Waldur and the HPC User API once, as the first refresh of a process does, whatever is kept of earlier ones. Fails
 * where such a refresh would: so an unreachable HPC User API never makes a shorter list.
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

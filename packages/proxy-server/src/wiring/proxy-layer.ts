/** Wires the services of the app. */
import { HpcUserClient } from "@cscs/hpc-user-client"
import { CurrentRunningCalls, type InvalidProxy, makeRunningCalls } from "@cscs/http-transport"
import { WaldurClient } from "@cscs/waldur-client"
import { Effect, Layer } from "effect"
import { Authentication } from "../auth/authentication.ts"
import { type ProxySettings, Settings } from "../config/settings.ts"
import { Lifecycle, makeLifecycle } from "../http/lifecycle.ts"
import type { AppServices } from "../http/run-effect.ts"
import { keptInFile } from "../persistence/kept-in-file.ts"
import { GidSource } from "../refresh/gid-source.ts"
import { SnapshotSource, upstreamSource } from "../refresh/snapshot-source.ts"
import { sharedBetweenReplicas } from "../replication/shared-between-replicas.ts"
import { Gauges } from "../serving/gauges.ts"
import { Snapshots } from "../serving/snapshots.ts"

/** The Waldur client for these settings. */
export const waldurLayer = ({ waldur, userAgent }: ProxySettings): Layer.Layer<WaldurClient, InvalidProxy> =>
  WaldurClient.layer({ ...waldur, userAgent })

/** The HPC User API client; `undefined` if none is configured. */
export const hpcUserLayer = ({
  hpcUserApi,
  model,
  userAgent,
}: ProxySettings): Layer.Layer<HpcUserClient, InvalidProxy> | undefined =>
  hpcUserApi === undefined
    ? undefined
    : HpcUserClient.layer({ ...hpcUserApi, minGid: model.minGid, maxGid: model.maxGid, userAgent })

/** The source of GIDs for these settings. */
export const gidSourceLayer = (settings: ProxySettings): Layer.Layer<GidSource, InvalidProxy> => {
  const hpcUser = hpcUserLayer(settings)
  return hpcUser === undefined
    ? GidSource.mockLayer
    : GidSource.layer.pipe(Layer.provide(hpcUser), Layer.provide(Layer.succeed(Settings)(settings)))
}

/** The upstreams, wrapped by the shared cache and by the file if they are configured. */
const snapshotSource = Layer.effect(
  SnapshotSource,
  Effect.gen(function* () {
    const { mockGids, cache } = yield* Settings
    const upstreams = yield* upstreamSource
    // A mock GID must neither outlive its process nor reach another one.
    if (mockGids) return upstreams
    const shared = cache.url === undefined ? upstreams : yield* sharedBetweenReplicas(upstreams, cache.url)
    return cache.path === undefined ? shared : yield* keptInFile(shared, cache.path)
  }),
)

/** Everything that the app needs, wired for these settings. The first refresh begins when the layer is built. */
export const proxyLayer = (settings: ProxySettings): Layer.Layer<AppServices, InvalidProxy> =>
  Gauges.layer.pipe(
    Layer.provideMerge(Snapshots.layer),
    Layer.provide(snapshotSource),
    Layer.provideMerge(gidSourceLayer(settings)),
    Layer.provideMerge(waldurLayer(settings)),
    Layer.provideMerge(Layer.succeed(Settings)(settings)),
    Layer.merge(Layer.sync(Lifecycle)(makeLifecycle)),
    Layer.merge(Authentication.layer.pipe(Layer.provide(Layer.succeed(Settings)(settings)))),
    Layer.provideMerge(Layer.sync(CurrentRunningCalls)(makeRunningCalls)),
  )

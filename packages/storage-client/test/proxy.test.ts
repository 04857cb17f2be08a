/** The client against the real proxy, over the sandbox, with authentication. */
import { type RunningProxy, sandboxEnvironment, startProxy } from "@cscs/harness"
import { elapsedMillis } from "@cscs/http-transport"
import { changeResource, type Sandbox, startSandbox } from "@cscs/sandbox"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { changes, isReadAfter, makeStorageClient, type StorageClientOptions } from "../src/index.ts"

let sandbox: Sandbox
let proxy: RunningProxy

beforeAll(async () => {
  sandbox = await startSandbox({ resources: 600 })
  proxy = await startProxy({ environment: sandboxEnvironment(sandbox, true), isReady: true })
})
afterAll(async () => {
  await proxy?.stop()
  await sandbox?.close()
})

const clientOf = (options: Partial<StorageClientOptions> = {}) => {
  const { clientId, clientSecret } = sandbox.issuer.integrator
  return makeStorageClient({
    baseUrl: proxy.url,
    auth: { issuer: sandbox.issuer.url, clientId, clientSecret: Redacted.make(clientSecret) },
    ...options,
  })
}
/** Waldur's own record of an entry's resource. */
const resourceOf = (itemId = "") => {
  const found = sandbox.world.resources.find(({ uuid }) => uuid === itemId.replaceAll("-", ""))
  if (found === undefined) throw new Error(`no resource ${itemId}`)
  return found
}

/** All entries by plain fetches of pages. */
const walked = async () => {
  const entries: Array<unknown> = []
  for (let page = 1; ; page++) {
    const headers = { authorization: `Bearer ${await sandbox.issuer.issueToken()}` }
    const response = await fetch(`${proxy.url}/api/storage-resources/?page_size=500&page=${page}`, { headers })
    const { resources, pagination } = (await response.json()) as {
      readonly resources: ReadonlyArray<unknown>
      readonly pagination: { readonly has_next: boolean }
    }
    entries.push(...resources)
    if (!pagination.has_next) return entries
  }
}

describe("the list", () => {
  it.live("is the proxy's, whole and understood", () =>
    Effect.gen(function* () {
      const client = yield* clientOf()
      const list = yield* client.entries()
      expect(list.notUnderstood).toEqual([])
      expect(list.total).toBeGreaterThan(600)
      expect(list.entries.length).toBe(list.total)
      // Not compared as a whole, which would print it.
      const expected = yield* Effect.promise(walked)
      expect(JSON.stringify(list.entries) === JSON.stringify(expected)).toBe(true)
      expect(list.age).toBeGreaterThanOrEqual(0)
    }).pipe(Effect.scoped),
  )

  it.live("contains only what the query selects", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ query: { storage_system: "vast", data_type: "users", status: "active" } })
      const { entries, total } = yield* client.entries()
      expect(total).toBeGreaterThan(0)
      expect(
        new Set(entries.map((one) => `${one.storageSystem.key} ${one.storageDataType.key} ${one.status}`)),
      ).toEqual(new Set(["vast users active"]))
    }).pipe(Effect.scoped),
  )

  it.live("that has not changed is a 304: the same array of entries, read later", () =>
    Effect.gen(function* () {
      const client = yield* clientOf()
      const first = yield* client.entries()
      const second = yield* client.entries(first)
      expect(second.entries === first.entries).toBe(true)
      expect(second.receivedAt).toBeGreaterThanOrEqual(first.receivedAt)
      expect(changes(first, second)).toEqual({ added: [], changed: [], moved: [], gone: [] })
    }).pipe(Effect.scoped),
  )

  it.live("after a refresh shows what was changed in Waldur before, and is read after it", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ query: { storage_system: "capstor" } })
      const before = yield* client.refresh()
      const entry = before.entries.find(({ target, status }) => target.targetType === "project" && status === "active")
      changeResource(sandbox.world, resourceOf(entry?.itemId), { limits: { storage: 77 }, options: null })
      const changedAt = yield* elapsedMillis
      expect(isReadAfter(before, changedAt)).toBe(false)
      let after = yield* client.refresh(before)
      // `Age` is in whole seconds, so only a read some time later is certainly after the change.
      while (!isReadAfter(after, changedAt)) after = yield* client.refresh(after)
      const { changed, ...others } = changes(before, after)
      expect(others).toEqual({ added: [], moved: [], gone: [] })
      expect(changed.map((one) => [one.after.itemId, one.after.quotas?.[0]?.quota])).toEqual([[entry?.itemId, 77]])
    }).pipe(Effect.scoped),
  )
})

describe("watch", () => {
  it.live("emits the current list with everything added, then only changes", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ query: { storage_system: "iopsstor" } })
      let polls = 0
      const updates = yield* client.watch({ every: "20 millis", onFailure: () => Effect.die("no poll fails") }).pipe(
        Stream.tap(({ changes: { added } }) =>
          Effect.sync(() => {
            polls += 1
            if (polls > 1) return
            const one = added.find(({ target }) => target.targetType === "project")
            changeResource(sandbox.world, resourceOf(one?.itemId), { backend_id: "/iopsstor/elsewhere/by/watch" })
          }),
        ),
        Stream.take(2),
        Stream.runCollect,
      )
      const [first, second] = updates
      expect(first?.changes.added.length).toBe(first?.list.total)
      expect(second?.changes.moved.length).toBe(1)
      // Directories of tenants and customers above it may be others now; the resource itself is not gone.
      const kinds = second?.changes.gone.map(({ target }) => target.targetType) ?? []
      expect(kinds.filter((kind) => kind === "project" || kind === "user")).toEqual([])
    }).pipe(Effect.scoped),
  )
})

describe("the token", () => {
  it.live("that is refused at its endpoint fails with TokenRefused, without the secret", () =>
    Effect.gen(function* () {
      const { issuer } = sandbox
      const clientSecret = Redacted.make("a-wrong-secret")
      const client = yield* clientOf({ auth: { issuer: issuer.url, clientId: "integrator", clientSecret } })
      const error = yield* Effect.flip(client.entries())
      expect(error._tag).toBe("TokenRefused")
      expect(error.message + JSON.stringify(error)).not.toContain("a-wrong-secret")
    }).pipe(Effect.scoped),
  )

  it.live("that is fixed and refused fails with ProxyRejected, without the token", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ auth: { token: Redacted.make("not-a-valid-token") } })
      const error = yield* Effect.flip(client.entries())
      expect(error).toMatchObject({ _tag: "ProxyRejected", status: 401 })
      expect(error.message + JSON.stringify(error)).not.toContain("not-a-valid-token")
    }).pipe(Effect.scoped),
  )
})

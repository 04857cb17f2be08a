import { existsSync } from "node:fs"
import { lstat, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { startSandbox, type World } from "@cscs/sandbox"
import { Duration, Effect, Result } from "effect"
import { describe, expect, onTestFinished, test } from "vitest"
import type { ProxySettings } from "../src/index.ts"
import { readSnapshotFile, writeSnapshotFile } from "../src/persistence/snapshot-file.ts"
import { storageIdentity } from "../src/persistence/stored-snapshot.ts"
import type { TimedSnapshot } from "../src/snapshot/snapshot.ts"
import {
  type Any,
  aDirectory,
  hpcUserSection,
  listPath,
  noCache,
  type ProxyOptions,
  started,
  startProxy,
  type TestedProxy,
  until,
} from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"
import { snapshotOf } from "./links-of.ts"

const refused = { status: 403 } as const
const down = { path: listPath, status: 403 } as const
const warm = { CACHE_KEEP_WARM_FOR: "5m" }
const beforeTheStart = "the list is from before the start"

/** One Waldur, one file, and consecutive processes over them; all end with the test. */
const aDeployment = async (world: World = aWorld(20), options: Omit<ProxyOptions, "sandbox" | "world"> = {}) => {
  const sandbox = await startSandbox({ world })
  onTestFinished(() => sandbox.close())
  const directory = await aDirectory()
  const path = join(directory, "kept")
  let running: TestedProxy | undefined
  const stop = async () => {
    await running?.close()
    running = undefined
  }
  onTestFinished(stop)
  const start = async (more: Omit<ProxyOptions, "sandbox" | "world"> = {}) => {
    running = await startProxy({
      ...options,
      ...more,
      sandbox,
      environment: { CACHE_PATH: path, ...options.environment, ...more.environment },
    })
    return running
  }
  return {
    world,
    sandbox,
    directory,
    path,
    start,
    stop,
    /** Ends the running process and starts another. */
    restart: async (more: Parameters<typeof start>[0] = {}) => {
      await stop()
      return start(more)
    },
    /** The content of the file, as this process would read it. */
    kept: (proxy: TestedProxy) => keptAs(path, proxy.settings),
    /** Moves the file into the past: every process of a test starts at the same moment of its own clock. */
    age: async (proxy: TestedProxy, age: Duration.Input) => {
      const identity = storageIdentity(proxy.settings)
      const taken = await keptAs(path, proxy.settings)
      if (taken === undefined) throw new Error("nothing is kept")
      const by = started - Duration.toMillis(age) - taken.readEndedAt
      const { snapshot, readStartedAt, readEndedAt, changedAt } = taken
      const gidsReadAt = snapshot.gidsReadAt === undefined ? undefined : snapshot.gidsReadAt + by
      const moved = {
        snapshot: { ...snapshot, gidsReadAt },
        readStartedAt: readStartedAt + by,
        readEndedAt: readEndedAt + by,
        changedAt: changedAt + by,
      }
      await Effect.runPromise(writeSnapshotFile(path, identity, moved))
    },
  }
}

const keptAs = async (path: string, settings: ProxySettings): Promise<TimedSnapshot | undefined> => {
  const reading = readSnapshotFile(path, storageIdentity(settings), settings.model)
  const result = await Effect.runPromise(Effect.result(reading))
  return Result.isSuccess(result) ? result.success : undefined
}

/** The whole list. */
const list = (proxy: TestedProxy) => proxy.list("page_size=500")
const entryOf = (json: Any, world: World, index: number): Any =>
  json.resources.find(({ itemId }: Any) => itemId === dashed(rowOf(world, index).uuid))
const statusOf = async (proxy: TestedProxy, world: World, index = 9): Promise<string> =>
  entryOf((await list(proxy)).json, world, index).status
const gidOf = (json: Any, world: World, index: number): number | undefined => {
  const item = entryOf(json, world, index)?.target.targetItem
  return item?.unixGid ?? item?.primaryProject.unixGid
}
const gidsOf = (json: Any, world: World) => world.resources.map((_, index) => gidOf(json, world, index))
const slugOf = (world: World, index: number) => String(rowOf(world, index).project_slug)
const warningsOf = async (proxy: TestedProxy): Promise<string> => (await proxy.ready()).json.warnings.join("\n")
const linesWith = ({ logs }: TestedProxy, words: string) => logs.filter((line) => line.includes(words))
const failures = (proxy: TestedProxy) => linesWith(proxy, '"event":"refresh-failed"').length

/** A process that has stored its list in the file, and ended. */
const afterOneRun = async (deployment: Awaited<ReturnType<typeof aDeployment>>) => {
  const proxy = await deployment.start()
  const got = await list(proxy)
  expect(got.status).toBe(200)
  await deployment.stop()
  expect(existsSync(deployment.path)).toBe(true)
  return { proxy, got }
}

const queries = [
  "page_size=500",
  "page=2&page_size=7",
  "storage_system=vast&page_size=500",
  "storage_system=iopsstor&data_type=store",
  "data_type=scratch",
  "status=active",
  "status=error",
  "state=OK&page_size=500",
  "state=Erred",
  "state=Terminating&status=pending",
  "page=99",
  "",
]

describe("a restart while Waldur is down", () => {
  test("returns every response as before: bytes, ETag, links, times", async () => {
    const deployment = await aDeployment(aWorld(60))
    const reported = async (proxy: TestedProxy) => {
      const all: Array<unknown> = []
      for (const query of queries) {
        for (const Accept of ["application/json", "application/x-ndjson"]) {
          const path = `/api/storage-resources/?${query}`
          const { status, text, headers } = await proxy.get(path, { headers: { Accept } })
          const names = ["etag", "link", "last-modified", "age", "content-type"]
          all.push([query, Accept, status, text, ...names.map((name) => headers.get(name))])
        }
      }
      return all
    }
    const before = await reported(await deployment.start())
    await deployment.stop()
    deployment.sandbox.faults.set("waldur", down)
    const proxy = await deployment.start()
    expect(await reported(proxy)).toEqual(before)
    expect(before.every((one) => (one as Any)[2] === 200)).toBe(true)
  })

  test.each([
    ["0 seconds", "309 seconds"],
    ["20 seconds", "289 seconds"],
    ["200 seconds", "109 seconds"],
    ["309 seconds", "0 seconds"],
  ] as const)(
    "serves a list that is %s old for %s more, counted from when it was read; then 502",
    async (age, more) => {
      const deployment = await aDeployment()
      const { proxy: before, got } = await afterOneRun(deployment)
      await deployment.age(before, age)
      deployment.sandbox.faults.set("waldur", down)
      const proxy = await deployment.start()
      const first = await list(proxy)
      expect([first.status, first.text, first.headers.get("age")]).toEqual([200, got.text, age.split(" ")[0]])
      await proxy.pass(more)
      const last = await list(proxy)
      expect([last.status, last.text, last.headers.get("age")]).toEqual([200, got.text, "309"])
      await proxy.pass("1 second")
      expect((await list(proxy)).status).toBe(502)
    },
  )

  test("returns 502 at once if the list is too old, and is not ready; the file remains for when Waldur is back", async () => {
    // Neither keep-warm nor the empty guard makes the list fit to serve.
    const deployment = await aDeployment(aWorld(20), { environment: { ...warm, CACHE_EMPTY_GUARD: "1h" } })
    const { proxy: before, got } = await afterOneRun(deployment)
    await deployment.age(before, "310 seconds")
    const bytes = await readFile(deployment.path)
    const fault = deployment.sandbox.faults.set("waldur", down)
    const proxy = await deployment.start()
    expect((await list(proxy)).status).toBe(502)
    const report = await proxy.ready()
    expect([report.status, report.json.status, report.json.snapshot]).toEqual([503, "starting", null])
    for (let minute = 0; minute < 3; minute += 1) await proxy.pass("1 minute")
    expect(await readFile(deployment.path)).toEqual(bytes)
    fault.clear()
    await until(async () => {
      await proxy.pass("5 seconds")
      return (await proxy.ready()).status === 200
    })
    expect((await list(proxy)).text).toBe(got.text)
  })

  test("that is repeated does not extend the time for which the list is served", async () => {
    const deployment = await aDeployment()
    const { proxy: before, got } = await afterOneRun(deployment)
    await deployment.age(before, "100 seconds")
    deployment.sandbox.faults.set("waldur", down)
    for (let start = 0; start < 3; start += 1) {
      const proxy = await deployment.restart({ environment: warm })
      await until(() => failures(proxy) > 0)
      await proxy.pass("60 seconds")
      expect((await list(proxy)).text).toBe(got.text)
      await proxy.pass("150 seconds")
      expect((await list(proxy)).status).toBe(502)
    }
    const kept = await deployment.kept(before)
    expect(kept?.readEndedAt).toBe(started - 100_000)
  })

  test("is reported by readiness: the list is from before the start, and why there is no newer one", async () => {
    const deployment = await aDeployment()
    const { proxy: before } = await afterOneRun(deployment)
    await deployment.age(before, "20 seconds")
    const fault = deployment.sandbox.faults.set("waldur", down)
    const proxy = await deployment.start({ environment: warm })
    await until(() => failures(proxy) > 0)
    const { status, json } = await proxy.ready()
    expect([status, json.status, json.snapshot.age]).toEqual([200, "ready", 20])
    expect(json.warnings.join("\n")).toContain(beforeTheStart)
    expect(json.warnings.join("\n")).toContain("the data is stale: 20 seconds old")
    expect([json.upstreams.waldur.status, json.upstreams.hpc_user_api.status]).toEqual(["failing", "unknown"])
    fault.clear()
    await until(async () => {
      await proxy.pass("5 seconds")
      return (await proxy.ready()).json.upstreams.waldur.status === "ok"
    })
    expect(await warningsOf(proxy)).not.toMatch(/before the start|stale/)
  })
})

describe("a restart while all is well", () => {
  test("serves the file at once while the first refresh runs, then its result", async () => {
    const deployment = await aDeployment()
    const { proxy: before, got } = await afterOneRun(deployment)
    await deployment.age(before, "20 seconds")
    rowOf(deployment.world, 9).state = "Erred"
    const fault = deployment.sandbox.faults.set("waldur", { path: listPath, hang: true })
    const proxy = await deployment.start({ environment: warm })
    await until(() => fault.struck > 0)
    for (let request = 0; request < 3; request += 1) {
      const early = await list(proxy)
      expect([early.status, early.text, early.headers.get("age")]).toEqual([200, got.text, "20"])
    }
    const report = (await proxy.ready()).json
    expect([report.status, report.upstreams.waldur.status]).toEqual(["ready", "unknown"])
    expect(report.warnings.join("\n")).toContain(beforeTheStart)
    const [line = ""] = linesWith(proxy, '"event":"snapshot-restored"')
    expect(JSON.parse(line)).toMatchObject({ annotations: { age: 20, entries: got.json.pagination.total } })
    // A hanging call is given up in time, and sent again.
    fault.clear()
    await until(async () => {
      await proxy.pass("1 second")
      return (await statusOf(proxy, deployment.world)) === "error"
    })
    expect(await warningsOf(proxy)).not.toContain(beforeTheStart)
    expect((await proxy.ready()).json.upstreams.waldur).toEqual({ status: "ok" })
  })

  test("keeps the Last-Modified of an unchanged list", async () => {
    const deployment = await aDeployment()
    const { proxy: before, got } = await afterOneRun(deployment)
    await deployment.age(before, "20 seconds")
    const proxy = await deployment.start()
    const fresh = await list(proxy)
    expect([fresh.text, fresh.headers.get("age")]).toEqual([got.text, "0"])
    expect(Date.parse(fresh.headers.get("last-modified") ?? "")).toBe(started - 20_000)
  })

  test("continues a walk through the pages that began before it", async () => {
    const deployment = await aDeployment(aWorld(60))
    const before = await deployment.start()
    const first = await before.list("page_size=10")
    const second = await before.list(`page_size=10&page=2&snapshot=${snapshotOf(first.headers)}`)
    await deployment.stop()
    for (const row of deployment.world.resources) if (row.state === "OK") row.state = "Erred"
    const proxy = await deployment.start()
    await proxy.get("/api/storage-resources/", noCache)
    expect((await proxy.list("status=error")).json.pagination.total).toBeGreaterThan(50)
    const again = await proxy.list(`page_size=10&page=2&snapshot=${snapshotOf(first.headers)}`)
    expect([again.status, again.text]).toEqual([200, second.text])
  })

  test("serves nothing from the file with fresh_for 0 while Waldur works", async () => {
    const deployment = await aDeployment(aWorld(10), { environment: { CACHE_FRESH_FOR: "0", ...warm } })
    const { proxy: before } = await afterOneRun(deployment)
    for (const [age, state, status] of [
      ["0 seconds", "Erred", "error"],
      ["20 seconds", "Updating", "updating"],
      ["200 seconds", "OK", "active"],
    ] as const) {
      await deployment.age(before, age)
      rowOf(deployment.world, 9).state = state
      const proxy = await deployment.start()
      expect([age, await statusOf(proxy, deployment.world)]).toEqual([age, status])
      await deployment.stop()
    }
    rowOf(deployment.world, 9).state = "Erred"
    deployment.sandbox.faults.set("waldur", down)
    const proxy = await deployment.start()
    expect(await statusOf(proxy, deployment.world)).toBe("active")
    await proxy.pass("300 seconds")
    expect((await list(proxy)).status).toBe(502)
  })

  test("does not serve a file from a clock that was ahead: its age is unknown, however far ahead", async () => {
    const deployment = await aDeployment()
    const { proxy: before } = await afterOneRun(deployment)
    for (const ahead of ["-2 minutes", "-2 days", "-100000 days"] as const) {
      await deployment.age(before, ahead)
      const fault = deployment.sandbox.faults.set("waldur", down)
      const proxy = await deployment.start()
      expect([ahead, (await list(proxy)).status]).toEqual([ahead, 502])
      const [line = ""] = linesWith(proxy, '"event":"snapshot-restored"')
      expect(JSON.parse(line)).toMatchObject({ annotations: { age: "unknown" } })
      await deployment.stop()
      fault.clear()
    }
    rowOf(deployment.world, 9).state = "Erred"
    expect(await statusOf(await deployment.start(), deployment.world)).toBe("error")
  })

  test("treats a file slightly ahead, as after a clock correction, as new and no younger", async () => {
    const deployment = await aDeployment()
    const { proxy: before, got } = await afterOneRun(deployment)
    await deployment.age(before, "-50 seconds")
    deployment.sandbox.faults.set("waldur", down)
    const proxy = await deployment.start()
    const early = await list(proxy)
    expect([early.status, early.text, early.headers.get("age")]).toEqual([200, got.text, "0"])
    expect(Date.parse(early.headers.get("last-modified") ?? "")).toBeLessThanOrEqual(started)
    await proxy.pass("310 seconds")
    expect((await list(proxy)).status).toBe(502)
  })

  test("with another configuration starts without a stored list, and stores its own", async () => {
    const deployment = await aDeployment()
    const { proxy: before } = await afterOneRun(deployment)
    const fault = deployment.sandbox.faults.set("waldur", down)
    const two = { capstor: "capstor", vast: "vast" }
    const proxy = await deployment.start({ document: () => ({ storage_systems: two }) })
    expect((await list(proxy)).status).toBe(502)
    expect(await readdir(deployment.directory)).toEqual(["kept"])
    fault.clear()
    await proxy.pass("5 seconds")
    const there = await list(proxy)
    expect(there.status).toBe(200)
    await until(async () => (await deployment.kept(proxy)) !== undefined)
    expect(await deployment.kept(before)).toBeUndefined()
  })
})

describe("the first refresh after a restart", () => {
  const lose = (world: World, slug: string) => {
    world.resources = world.resources.filter((row) => row.offering_slug !== slug)
  }
  const inSystem = async (proxy: TestedProxy, slug: string) =>
    (await proxy.list(`storage_system=${slug}&page_size=500`)).json.resources
  const guarded = { environment: { CACHE_EMPTY_GUARD: "1h" } }

  test.each([
    ["30 minutes", true],
    ["59 minutes", true],
    ["60 minutes", false],
    ["2 days", false],
    // Of unknown age: it protects like a new one.
    ["-2 days", true],
  ] as const)(
    "is compared with a list that is %s old, even if that is not served; whether a lost system stays: %s",
    async (age, stays) => {
      const deployment = await aDeployment(aWorld(60), guarded)
      const { proxy: before } = await afterOneRun(deployment)
      const good = await inSystem(await deployment.start(), "vast")
      await deployment.stop()
      expect(good.length).toBeGreaterThan(3)
      await deployment.age(before, age)
      lose(deployment.world, "vast")
      const proxy = await deployment.start()
      expect(await inSystem(proxy, "vast")).toEqual(stays ? good : [])
      expect((await warningsOf(proxy)).includes("Waldur shows 0 resources of vast")).toBe(stays)
    },
  )

  test("treats a guard that began in the future as beginning now", async () => {
    const deployment = await aDeployment(aWorld(60), guarded)
    const { proxy: before } = await afterOneRun(deployment)
    lose(deployment.world, "vast")
    const second = await deployment.start()
    await second.get("/api/storage-resources/", noCache)
    await deployment.stop()
    const kept = (await deployment.kept(before)) as TimedSnapshot
    const [guard] = kept.snapshot.guarded
    const ahead = [{ ...guard, since: started + 1e12 }] as typeof kept.snapshot.guarded
    const forged = { ...kept, snapshot: { ...kept.snapshot, guarded: ahead } }
    await Effect.runPromise(writeSnapshotFile(deployment.path, storageIdentity(before.settings), forged))
    const third = await deployment.start()
    await third.get("/api/storage-resources/", noCache)
    expect((await inSystem(third, "vast")).length).toBeGreaterThan(3)
    await third.pass("1 hour")
    await third.get("/api/storage-resources/", noCache)
    expect(await inSystem(third, "vast")).toEqual([])
  })

  test("continues the time for which a system is lost", async () => {
    const deployment = await aDeployment(aWorld(60), guarded)
    const { proxy: before } = await afterOneRun(deployment)
    lose(deployment.world, "vast")
    const second = await deployment.start()
    await second.get("/api/storage-resources/", noCache)
    expect((await inSystem(second, "vast")).length).toBeGreaterThan(3)
    await deployment.stop()
    const [guard] = (await deployment.kept(before))?.snapshot.guarded ?? []
    expect(guard).toMatchObject({ offeringSlug: "vast", since: started, now: 0 })
    const third = await deployment.start()
    await third.pass("59 minutes")
    expect((await inSystem(third, "vast")).length).toBeGreaterThan(3)
    await third.pass("1 minute")
    await third.get("/api/storage-resources/", noCache)
    expect(await inSystem(third, "vast")).toEqual([])
  })

  test.each([
    ["30 minutes", 200],
    ["61 minutes", 502],
  ] as const)(
    "is compared with a list that is %s old for GIDs: with the API down, a new project causes %i",
    async (age, status) => {
      const deployment = await aDeployment(aWorld(20), guarded)
      const { world } = deployment
      const { proxy: before, got } = await afterOneRun(deployment)
      await deployment.age(before, age)
      const added = { ...rowOf(world, 9), uuid: `${"0".repeat(31)}1`, slug: "added", project_slug: "newcomer" }
      world.resources.push(added)
      world.gids.set("newcomer", 46_000)
      deployment.sandbox.faults.set("hpcUserApi", refused)
      const proxy = await deployment.start()
      const during = await list(proxy)
      expect(during.status).toBe(status)
      if (status === 200) expect(during.text).toBe(got.text)
      deployment.sandbox.faults.clear()
      await proxy.pass("10 seconds")
      expect(gidOf((await list(proxy)).json, world, 20)).toBe(46_000)
    },
  )
})

describe("GIDs from before a restart", () => {
  /** Kept for a day, and full refreshes only at the start: later ones are light. */
  const light = { environment: { CACHE_FULL_REFRESH_EVERY: "24h" } }
  const changed = (world: World, index: number, more: object) =>
    Object.assign(rowOf(world, index), more, { modified: world.now })

  test("are served while the HPC User API is down; other changes in Waldur show", async () => {
    const deployment = await aDeployment()
    const { world } = deployment
    const { proxy: before, got } = await afterOneRun(deployment)
    rowOf(world, 9).state = "Erred"
    deployment.sandbox.faults.set("hpcUserApi", refused)
    for (const age of ["20 seconds", "11 hours", "11 hours"] as const) {
      // Also for GIDs stored by a process that read them from the file itself.
      await deployment.stop()
      await deployment.age(before, age)
      const proxy = await deployment.start()
      const { status, json, headers } = await list(proxy)
      expect([status, headers.get("age")]).toEqual([200, "0"])
      expect(gidsOf(json, world)).toEqual(gidsOf(got.json, world))
      expect(entryOf(json, world, 9).status).toBe("error")
      const report = (await proxy.ready()).json
      expect(report.upstreams.hpc_user_api.status).toBe("failing")
      expect(report.upstreams.waldur.status).toBe("ok")
      await proxy.pass("10 seconds")
      expect((await list(proxy)).headers.get("age")).toBe("0")
    }
  })

  test("are served no longer than a day after the API returned them, over however many restarts", async () => {
    const deployment = await aDeployment()
    const { proxy: before } = await afterOneRun(deployment)
    deployment.sandbox.faults.set("hpcUserApi", refused)
    await deployment.age(before, "23 hours")
    const second = await deployment.start()
    expect((await list(second)).status).toBe(200)
    expect((await second.ready()).text).toContain("an earlier process read are used until 2026-11-23T10:00:00.000Z")
    await second.pass("59 minutes")
    expect((await list(second)).headers.get("age")).toBe("0")
    await second.pass("1 minute")
    // A cached list is served as long as any good one; it is not renewed.
    await list(second)
    expect((await second.ready()).json.upstreams.hpc_user_api.status).toBe("failing")
    await until(() => failures(second) > 0)
    await deployment.stop()
    // Its list was new, its GIDs were not.
    await deployment.age(before, "2 minutes")
    const third = await deployment.start()
    await until(() => failures(third) > 0)
    await third.pass("310 seconds")
    expect((await list(third)).status).toBe(502)
  })

  test.each(["25 hours", "-1 day"] as const)("are not taken from a list that is %s old", async (age) => {
    const deployment = await aDeployment()
    const { proxy: before } = await afterOneRun(deployment)
    await deployment.age(before, age)
    deployment.sandbox.faults.set("hpcUserApi", refused)
    const proxy = await deployment.start()
    expect((await list(proxy)).status).toBe(502)
  })

  test("are replaced by the API's new ones if it responds", async () => {
    const deployment = await aDeployment()
    const { world } = deployment
    const { proxy: before, got } = await afterOneRun(deployment)
    await deployment.age(before, "20 seconds")
    world.gids.set(slugOf(world, 9), 45_123)
    const proxy = await deployment.start()
    expect(gidOf(got.json, world, 9)).not.toBe(45_123)
    expect(gidOf((await list(proxy)).json, world, 9)).toBe(45_123)
    await deployment.stop()
    expect((await deployment.kept(before))?.snapshot.gids.get(slugOf(world, 9))).toBe(45_123)
  })

  test("are not carried on by a light refresh once the API is back", async () => {
    const deployment = await aDeployment(aWorld(20), light)
    const { world } = deployment
    const { got } = await afterOneRun(deployment)
    const [other, gone] = [slugOf(world, 9), slugOf(world, 12)]
    const fault = deployment.sandbox.faults.set("hpcUserApi", refused)
    const proxy = await deployment.start()
    await proxy.pass("10 seconds")
    await list(proxy)
    // While the API is down, a light refresh has no others.
    await proxy.pass("10 seconds")
    expect(gidsOf((await list(proxy)).json, world)).toEqual(gidsOf(got.json, world))
    world.gids.set(other, 45_123)
    world.gids.delete(gone)
    fault.clear()
    await proxy.pass("10 seconds")
    const { json } = await list(proxy)
    world.resources.forEach((_, index) => {
      const slug = slugOf(world, index)
      expect([slug, gidOf(json, world, index)]).toEqual([slug, world.gids.get(slug)])
    })
    expect(gidOf(json, world, 12)).toBeUndefined()
    expect(gidOf(json, world, 9)).toBe(45_123)
    expect(linesWith(proxy, '"read":"all"').length).toBe(1)
    expect(linesWith(proxy, '"read":"changes"').length).toBeGreaterThan(0)
  })

  test("are looked up again once the API is back, even if it returns the same: nothing old is retained", async () => {
    const deployment = await aDeployment(aWorld(20), light)
    const { world } = deployment
    const { got } = await afterOneRun(deployment)
    const fault = deployment.sandbox.faults.set("hpcUserApi", refused)
    const proxy = await deployment.start()
    await proxy.get("/api/storage-resources/", noCache)
    fault.clear()
    await proxy.pass("10 seconds")
    expect((await list(proxy)).text).toBe(got.text)
    // Now they are the API's own, known until restart.
    deployment.sandbox.faults.set("hpcUserApi", refused)
    changed(world, 9, { state: "Erred" })
    await proxy.pass("10 seconds")
    const { json } = await list(proxy)
    expect(gidsOf(json, world)).toEqual(gidsOf(got.json, world))
    expect(entryOf(json, world, 9).status).toBe("error")
  })

  /** Names so long that one request to the API cannot carry them all. */
  const longNamed = (resources: number): World => {
    const world = aWorld(resources)
    const longer = (slug: string) => `${slug}${"x".repeat(200)}`
    for (const row of world.resources) row.project_slug = longer(String(row.project_slug))
    for (const [slug, gid] of [...world.gids]) world.gids.set(longer(slug), gid)
    return world
  }
  const exports = ({ sandbox }: TestedProxy) =>
    sandbox.calls.of("hpcUserApi").filter(({ path }) => path.includes("/export/"))

  test.each([
    ["known", false],
    ["unknown", true],
  ])("are no longer served once the API has returned %s for others, though it fails for theirs", async (_, forget) => {
    const deployment = await aDeployment(longNamed(60))
    const { world } = deployment
    const { got } = await afterOneRun(deployment)
    deployment.sandbox.faults.set("hpcUserApi", refused)
    const proxy = await deployment.start({ environment: { CACHE_FULL_REFRESH_EVERY: "0" } })
    await proxy.get("/api/storage-resources/", noCache)
    await proxy.pass("10 seconds")
    expect((await list(proxy)).headers.get("age")).toBe("0")
    expect(gidsOf((await list(proxy)).json, world)).toEqual(gidsOf(got.json, world))
    // The next time one request fails and the others succeed.
    proxy.sandbox.calls.clear()
    if (forget) world.gids.clear()
    deployment.sandbox.faults.clear()
    const fault = deployment.sandbox.faults.set("hpcUserApi", { ...refused, path: /export/, times: 1 })
    await proxy.pass("10 seconds")
    await proxy.list()
    await until(() => failures(proxy) > 0)
    expect([fault.struck, exports(proxy).length > 1]).toEqual([1, true])
    // Then it fails for all projects that are still unknown.
    deployment.sandbox.faults.set("hpcUserApi", refused)
    await proxy.pass("300 seconds")
    expect((await list(proxy)).status).toBe(502)
    expect((await proxy.ready()).json.upstreams.hpc_user_api.status).toBe("failing")
    deployment.sandbox.faults.clear()
    await proxy.pass("61 seconds")
    const back = await list(proxy)
    expect(back.status).toBe(200)
    if (!forget) expect(gidsOf(back.json, world)).toEqual(gidsOf(got.json, world))
  })
})

describe("mock GIDs", () => {
  const mocking: ReadonlyArray<readonly [string, Omit<ProxyOptions, "sandbox" | "world">]> = [
    [
      "hpc_user_api.fallback: mock",
      { document: (sandbox) => ({ hpc_user_api: { ...hpcUserSection(sandbox), fallback: "mock" } }) },
    ],
    ["no HPC User API", { document: () => ({ hpc_user_api: undefined }) }],
    ["development_mode", { document: () => ({ backend_settings: { development_mode: true } }) }],
  ]

  test.each(mocking)(
    "(%s) are never stored, with the API up or down, and that is reported at the start",
    async (_, mock) => {
      const deployment = await aDeployment(aWorld(10), mock)
      for (const fault of [undefined, refused]) {
        if (fault !== undefined) deployment.sandbox.faults.set("hpcUserApi", fault)
        const proxy = await deployment.start()
        expect((await list(proxy)).status).toBe(200)
        await proxy.pass("1 minute")
        expect((await list(proxy)).status).toBe(200)
        const reported = /cache\.path.*no effect.*mock/
        expect(proxy.settings.warnings.some((one) => reported.test(one))).toBe(true)
        expect(await warningsOf(proxy)).toMatch(reported)
        await deployment.stop()
        expect(await readdir(deployment.directory)).toEqual([])
      }
    },
  )

  test.each(mocking)("(%s) are not mixed with stored ones: the file is neither read nor changed", async (_, mock) => {
    const deployment = await aDeployment(aWorld(10))
    const { proxy: before } = await afterOneRun(deployment)
    const taken = (await deployment.kept(before)) as TimedSnapshot
    deployment.sandbox.faults.set("waldur", down)
    const proxy = await deployment.start(mock)
    // As if the file were its own, whatever distinguishes the two.
    await deployment.stop()
    await Effect.runPromise(writeSnapshotFile(deployment.path, storageIdentity(proxy.settings), taken))
    const bytes = await readFile(deployment.path)
    const again = await deployment.start(mock)
    expect((await list(again)).status).toBe(502)
    expect(linesWith(again, '"event":"snapshot-restored"')).toEqual([])
    deployment.sandbox.faults.clear()
    await again.pass("10 seconds")
    expect((await list(again)).status).toBe(200)
    await deployment.stop()
    expect(await readFile(deployment.path)).toEqual(bytes)
  })

  test("cause no warning if the list has the API's own GIDs", async () => {
    const deployment = await aDeployment(aWorld(6))
    const proxy = await deployment.start()
    await proxy.list()
    expect(await warningsOf(proxy)).not.toContain("cache.path")
  })
})

describe("the file is written", () => {
  /** Changes with each write; an inode alone can be reused. */
  const writtenAs = async (path: string) => {
    const { ino, mtimeNs } = await lstat(path, { bigint: true })
    return `${ino} ${mtimeNs}`
  }

  test("at the first snapshot, without any request", async () => {
    const deployment = await aDeployment(aWorld(6))
    const proxy = await deployment.start()
    await until(() => existsSync(deployment.path))
    expect((await deployment.kept(proxy))?.readStartedAt).toBe(started)
    expect(linesWith(proxy, "GET")).toEqual([])
  })

  test("once a minute if there is something newer", async () => {
    const deployment = await aDeployment(aWorld(20))
    const proxy = await deployment.start()
    await list(proxy)
    await until(async () => (await deployment.kept(proxy)) !== undefined)
    const first = await writtenAs(deployment.path)
    rowOf(deployment.world, 9).state = "Erred"
    for (let step = 1; step <= 5; step += 1) {
      await proxy.pass("10 seconds")
      expect(await statusOf(proxy, deployment.world)).toBe("error")
    }
    await proxy.pass("9999 millis")
    // A round trip of our own: calls sent before have ended by then.
    await list(proxy)
    expect([await writtenAs(deployment.path), (await deployment.kept(proxy))?.readStartedAt]).toEqual([first, started])
    // The minute starts when the first write has ended, a moment after its file is there.
    await until(async () => {
      await proxy.pass("1 second")
      return (await writtenAs(deployment.path)) !== first
    })
    const kept = await deployment.kept(proxy)
    expect(kept?.readStartedAt).toBeGreaterThanOrEqual(started + 50_000)
    expect(kept?.snapshot.entries.select({ status: "error" }).length).toBe(2)
    expect((await readdir(deployment.directory)).length).toBe(1)
  })

  test("only if there is something newer", async () => {
    const deployment = await aDeployment(aWorld(6))
    const proxy = await deployment.start()
    await until(async () => (await deployment.kept(proxy)) !== undefined)
    const first = await writtenAs(deployment.path)
    for (let minute = 0; minute < 5; minute += 1) {
      await proxy.pass("1 minute")
      await proxy.ready()
    }
    await deployment.stop()
    expect(await writtenAs(deployment.path)).toBe(first)
  })

  test("at the end, with the newest snapshot", async () => {
    const deployment = await aDeployment(aWorld(20))
    const proxy = await deployment.start()
    await list(proxy)
    await until(async () => (await deployment.kept(proxy)) !== undefined)
    rowOf(deployment.world, 9).state = "Erred"
    await proxy.pass("10 seconds")
    expect(await statusOf(proxy, deployment.world)).toBe("error")
    expect((await deployment.kept(proxy))?.readStartedAt).toBe(started)
    await deployment.stop()
    const kept = await deployment.kept(proxy)
    expect([kept?.readStartedAt, kept?.snapshot.entries.select({ status: "error" }).length]).toEqual([
      started + 10_000,
      2,
    ])
    deployment.sandbox.faults.set("waldur", down)
    await deployment.age(proxy, "0 seconds")
    expect(await statusOf(await deployment.start(), deployment.world)).toBe("error")
  })

  test("not at the end if no refresh has succeeded", async () => {
    const deployment = await aDeployment(aWorld(6))
    deployment.sandbox.faults.set("waldur", down)
    const proxy = await deployment.start()
    await until(() => failures(proxy) > 0)
    await deployment.stop()
    expect(await readdir(deployment.directory)).toEqual([])
  })

  test("only if cache.path is set", async () => {
    const deployment = await aDeployment(aWorld(6))
    const proxy = await deployment.start({ environment: { CACHE_PATH: "" } })
    await list(proxy)
    await deployment.stop()
    expect(await readdir(deployment.directory)).toEqual([])
  })
})

describe("the first refresh", () => {
  test.each([
    ["the defaults", warm],
    ["keep_warm_for 0", {}],
    ["a long fresh_for", { ...warm, CACHE_FRESH_FOR: "1h" }],
    ["fresh_for 0", { ...warm, CACHE_FRESH_FOR: "0" }],
  ])("begins at the start, however young the list of the file is: %s", async (_, environment) => {
    const deployment = await aDeployment(aWorld(20), { environment })
    const { world } = deployment
    await afterOneRun(deployment)
    world.gids.set(slugOf(world, 9), 45_123)
    const proxy = await deployment.start()
    // No request arrives, and no time passes: a restart is the cure for a wrong GID.
    await until(async () => (await proxy.ready()).json.upstreams.waldur.status === "ok")
    expect(gidOf((await list(proxy)).json, world, 9)).toBe(45_123)
  })
})

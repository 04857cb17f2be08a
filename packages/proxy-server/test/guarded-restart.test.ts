import { join } from "node:path"
import { startSandbox, type World } from "@cscs/sandbox"
import { describe, expect, onTestFinished, test } from "vitest"
import { type Any, aDirectory, noCache, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld, withoutCallbackUrls } from "./a-world.ts"

/** Proxies over one sandbox, one after the other, with one snapshot file. */
const aDeployment = async (world: World) => {
  const directory = await aDirectory()
  const sandbox = await startSandbox({ world })
  onTestFinished(() => sandbox.close())
  const started = async (emptyGuard: string, use: (proxy: TestedProxy) => Promise<void>) => {
    const proxy = await startProxy({
      sandbox,
      environment: { CACHE_PATH: join(directory, "snapshot"), CACHE_EMPTY_GUARD: emptyGuard },
    })
    await use(proxy).finally(() => proxy.close())
  }
  return { started }
}

const renewedList = async (proxy: TestedProxy) =>
  (await proxy.get("/api/storage-resources/?page_size=500", noCache)).json.resources as ReadonlyArray<Any>

const isLive = ({ target, status }: Any) =>
  (target.targetType === "project" || target.targetType === "user") && !status.startsWith("remov")

/** What removes a list's entries at a restart, by name. */
const causes: ReadonlyArray<readonly [string, (world: World) => void]> = [
  ["the HPC User API knows no project any more", (world) => world.gids.clear()],
  [
    "all permissions are numbers",
    (world) => {
      for (const row of world.resources) row.attributes = { ...(row.attributes as Any), permissions: 775 }
    },
  ],
  ["no row is there any more", (world) => void world.resources.splice(0)],
]

describe("a restart", () => {
  test.each(causes)(
    "at which %s keeps the last good live entries, and one with empty_guard 0s does not",
    async (_, cause) => {
      const world = aWorld(60)
      // Its callback URLs would not be kept.
      for (const row of world.resources) if (row.state === "Erred") row.state = "OK"
      const deployment = await aDeployment(world)
      let before: ReadonlyArray<Any> = []
      await deployment.started("1h", async (proxy) => {
        const live = (await renewedList(proxy)).filter(isLive)
        before = JSON.parse(withoutCallbackUrls(JSON.stringify(live)))
        expect(before.length).toBeGreaterThan(40)
      })
      cause(world)
      await deployment.started("1h", async (proxy) => {
        expect((await renewedList(proxy)).filter(isLive)).toEqual(before)
        expect(
          (await proxy.ready()).json.warnings.filter((one: string) => one.startsWith("A refresh would leave 0 of"))
            .length,
        ).toBe(3)
        await proxy.pass("59 minutes")
        expect((await renewedList(proxy)).filter(isLive)).toEqual(before)
      })
      await deployment.started("0s", async (proxy) => {
        expect((await renewedList(proxy)).filter(isLive)).toEqual([])
      })
    },
  )

  test("does not forget a slow loss", async () => {
    const world = aWorld(200)
    const deployment = await aDeployment(world)
    const lose = (share: number) => {
      const rows = world.resources.filter((row) => row.offering_slug === "vast")
      const lost = new Set(rows.slice(Math.ceil(rows.length * share)))
      world.resources = world.resources.filter((row) => !lost.has(row))
    }
    let left: ReadonlyArray<Any> = []
    await deployment.started("1h", async (proxy) => {
      await renewedList(proxy)
      lose(0.6)
      left = (await renewedList(proxy)).filter(isLive)
    })
    lose(0.6)
    await deployment.started("1h", async (proxy) => {
      expect((await renewedList(proxy)).filter(isLive)).toEqual(left)
    })
  })
})

import { describe, expect, test } from "vitest"
import { type Any, aProxy, asked, hpcUserSection } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

describe("the effect of a setting", () => {
  test("agent_header is the User-Agent of every request to every upstream", async () => {
    const proxy = await aProxy({ world: aWorld(6), environment: { AGENT_HEADER: "storage-proxy-test/1" } })
    await proxy.list()
    expect(new Set(proxy.sandbox.calls.all.map(({ upstream }) => upstream)).size).toBe(3)
    for (const { headers } of proxy.sandbox.calls.all) expect(headers.get("user-agent")).toBe("storage-proxy-test/1")
  })

  test("Waldur's address works with and without /api, and with and without a trailing slash", async () => {
    for (const ending of ["", "/", "/api", "/api/"]) {
      const proxy = await aProxy({
        world: aWorld(6),
        document: ({ waldur }) => ({ waldur_api_url: waldur.url.replace(/\/api\/$/, ending) }),
      })
      expect((await proxy.list()).status).toBe(200)
    }
  })

  test("Waldur's token is sent to Waldur only", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    await proxy.list()
    for (const { upstream, headers } of proxy.sandbox.calls.all) {
      expect(headers.get("authorization") === `Token ${proxy.sandbox.waldur.token}`).toBe(upstream === "waldur")
    }
  })

  test("a SOCKS proxy is used, or the upstream is not reached at all", async () => {
    // Nothing listens on port 1.
    const toWaldur = await aProxy({
      world: aWorld(6),
      document: () => ({ waldur_socks_proxy: "socks5://127.0.0.1:1" }),
    })
    expect((await toWaldur.hurried(toWaldur.list())).status).toBe(502)
    expect(asked(toWaldur.sandbox, "waldur")).toEqual([])
    const toHpcUser = await aProxy({
      world: aWorld(6),
      document: (sandbox) => ({ hpc_user_api: { ...hpcUserSection(sandbox), socks_proxy: "socks5h://127.0.0.1:1" } }),
    })
    expect((await toHpcUser.hurried(toHpcUser.list())).status).toBe(502)
    expect(asked(toHpcUser.sandbox, "hpcUserApi")).toEqual([])
    expect(asked(toHpcUser.sandbox, "issuer")).toEqual([])
    expect(asked(toHpcUser.sandbox, "waldur").length).toBeGreaterThan(0)
  })

  test("the scope is requested with the HPC User API's token", async () => {
    const proxy = await aProxy({ world: aWorld(6), environment: { HPC_USER_OIDC_SCOPE: "openid profile" } })
    await proxy.list()
    const [call] = proxy.sandbox.calls.of("issuer")
    expect(Object.fromEntries(new URLSearchParams(call?.body))).toMatchObject({
      grant_type: "client_credentials",
      scope: "openid profile",
      client_id: proxy.sandbox.hpcUserApi.clientId,
    })
  })

  test("file system, coefficients and multiplier determine each entry", async () => {
    const world = aWorld(6)
    Object.assign(rowOf(world, 5), { limits: { storage: 3 }, options: {} })
    const proxy = await aProxy({
      world,
      document: () => ({
        backend_settings: { inode_soft_coefficient: 1.5, inode_hard_coefficient: 4, inode_base_multiplier: 100 },
      }),
      environment: { STORAGE_FILE_SYSTEM: "Vastfs" },
    })
    const entries: ReadonlyArray<Any> = (await proxy.list("page_size=500")).json.resources
    for (const { storageFileSystem } of entries) {
      expect([storageFileSystem.key, storageFileSystem.name]).toEqual(["vastfs", "VASTFS"])
    }
    const entry = entries.find(({ itemId }) => itemId === dashed(rowOf(world, 5).uuid))
    expect(entry.quotas).toEqual([
      { type: "space", quota: 3, unit: "tera", enforcementType: "soft" },
      { type: "space", quota: 3, unit: "tera", enforcementType: "hard" },
      { type: "inodes", quota: 450, unit: "none", enforcementType: "soft" },
      { type: "inodes", quota: 1200, unit: "none", enforcementType: "hard" },
    ])
  })

  test("use_mock_target_items mocks target items in place of those in Waldur", async () => {
    const world = aWorld(6)
    const item = { itemId: "7b1e4a52-3c0f-4d1a-9c55-1f0e2a3b4c5d", unixGid: 45_001, of: "Waldur" }
    Object.assign(rowOf(world, 5), {
      attributes: { storage_data_type: "store" },
      backend_metadata: { project_item: item },
    })
    const targetOf = async (environment: Record<string, string>) => {
      const { json } = await (await aProxy({ world, environment })).list("page_size=500")
      return json.resources.find(({ itemId }: Any) => itemId === dashed(rowOf(world, 5).uuid)).target.targetItem
    }
    expect(await targetOf({})).toEqual(item)
    const made = await targetOf({ USE_MOCK_TARGET_ITEMS: "true" })
    expect(made).toMatchObject({ key: rowOf(world, 5).project_slug, name: rowOf(world, 5).project_name })
    expect(made.unixGid).toBe(world.gids.get(String(rowOf(world, 5).project_slug)))
  })

  test("mount_roots limit the allowed paths", async () => {
    const world = aWorld(10)
    Object.assign(rowOf(world, 8), { backend_id: "/allowed/here/a" })
    Object.assign(rowOf(world, 9), { backend_id: "/allowedbut/not/here" })
    // The other resources are below the directories of their systems.
    const mount_roots = ["/allowed", "/capstor", "/vast", "/iopsstor"]
    const proxy = await aProxy({ world, document: () => ({ backend_settings: { mount_roots } }) })
    const paths = (await proxy.list("page_size=500")).json.resources.map(({ mountPoint }: Any) => mountPoint.default)
    expect(paths).toContain("/allowed/here/a")
    expect(paths).not.toContain("/allowedbut/not/here")
    expect((await proxy.list("debug=true")).json.skipped).toEqual([
      expect.objectContaining({ field: "backend_id", found: "/allowedbut/not/here" }),
    ])
  })
})

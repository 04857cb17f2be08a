import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Any, aProxy, hpcUserSection, startProxy, type TestedProxy, until } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

let proxy: TestedProxy
// The world with all edge cases.
beforeAll(async () => {
  proxy = await startProxy({ document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.staff }) })
})
afterAll(() => proxy.close())

const debug = async (query = "", of = proxy) => {
  const { status, json } = await of.list(`debug=true${query === "" ? "" : `&${query}`}`)
  expect(status).toBe(200)
  return json
}
const offering = (slug: string) => {
  const found = proxy.sandbox.world.offerings.find((one) => one.slug === slug)
  if (found === undefined) throw new Error(`no offering ${slug}`)
  return found
}
const withoutSecrets = (record: Any) => {
  const { secret_options, ...shown } = record
  expect(secret_options).toBeDefined()
  return shown
}

/** Links in Waldur's data point to the sandbox's own address. */
const asServed = (value: unknown) =>
  JSON.parse(JSON.stringify(value).replaceAll(proxy.sandbox.world.apiUrl, proxy.sandbox.waldur.url))

describe("the debug document", () => {
  test("has its keys in order, on every level", async () => {
    for (const query of ["", "storage_system=capstor", "storage_system=vast&data_type=store&state=OK&status=active"]) {
      const json = await debug(query)
      expect(Object.keys(json)).toEqual([
        "status",
        "debug_mode",
        "agent_offering_config",
        "waldur_offering_details",
        "raw_resources",
        "skipped",
        "warnings",
      ])
      expect([json.status, json.debug_mode]).toEqual(["success", true])
      expect(Object.keys(json.agent_offering_config)).toEqual([
        "uuid",
        "api_url",
        "backend_type",
        "backend_settings",
        "backend_components",
        "storage_systems",
      ])
      expect(Object.keys(json.raw_resources)).toEqual(["resources", "pagination", "filters_applied"])
      expect(Object.keys(json.raw_resources.pagination)).toEqual(["current", "limit", "offset", "pages", "total"])
      expect(Object.keys(json.raw_resources.filters_applied)).toEqual([
        "storage_system",
        "data_type",
        "status",
        "state",
      ])
    }
  })

  test("shows that offering with storage_system, all attributes but secret_options", async () => {
    const { agent_offering_config, waldur_offering_details } = await debug("storage_system=capstor")
    expect(agent_offering_config).toMatchObject({
      uuid: dashed(offering("capstor").uuid),
      api_url: proxy.sandbox.waldur.url,
      backend_type: "cscs-hpc-storage",
      backend_components: {},
      storage_systems: { capstor: "capstor", vast: "vast", iopsstor: "iopsstor" },
    })
    expect(waldur_offering_details).toEqual(asServed(withoutSecrets(offering("capstor"))))
    expect(Object.keys(waldur_offering_details).length).toBeGreaterThan(50)
  })

  test("shows all offerings by slug without storage_system, and no uuid", async () => {
    const { agent_offering_config, waldur_offering_details } = await debug()
    expect(agent_offering_config.uuid).toBeNull()
    expect(Object.keys(waldur_offering_details)).toEqual(["capstor", "vast", "iopsstor"])
    for (const slug of ["capstor", "vast"]) {
      expect(waldur_offering_details[slug]).toEqual(asServed(withoutSecrets(offering(slug))))
    }
    expect(JSON.stringify(waldur_offering_details)).not.toContain("secret")
  })

  test("shows nothing for an allowed system that is not configured, with 200", async () => {
    const other = await aProxy({ world: aWorld(5), document: () => ({ storage_systems: { capstor: "capstor" } }) })
    const json = await debug("storage_system=vast", other)
    expect(json.waldur_offering_details).toEqual({})
    expect(json.agent_offering_config.uuid).toBeNull()
    expect(json.raw_resources.resources).toEqual([])
    expect(json.raw_resources.pagination).toEqual({ current: 1, limit: 100, offset: 0, pages: 0, total: 0 })
  })

  test("reports an offering that cannot be read as an error in its place, and contains the rest", async () => {
    const other = await aProxy({ world: aWorld(10) })
    const { uuid } = other.sandbox.world.offerings.find(({ slug }) => slug === "vast") ?? {}
    const fault = other.sandbox.faults.set("waldur", {
      path: `/api/marketplace-provider-offerings/${uuid}/`,
      status: 403,
    })
    const json = await debug("", other)
    expect(fault.struck).toBe(1)
    expect(json.waldur_offering_details.vast).toEqual({ error: expect.stringContaining("403") })
    expect(json.waldur_offering_details.capstor.name).toBe("Capstor")
    expect(json.raw_resources.resources.length).toBe(10)
    const one = await debug("storage_system=vast", other)
    expect(one.waldur_offering_details).toEqual({ error: expect.stringContaining("403") })
    expect(one.agent_offering_config.uuid).toBeNull()
    expect(one.raw_resources.pagination.total).toBeGreaterThan(0)
  })

  test("reports an offering that the token does not see as an error in its place", async () => {
    const partial = await aProxy({
      world: aWorld(10),
      document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.partial }),
    })
    const { waldur_offering_details } = await debug("", partial)
    expect(waldur_offering_details.capstor.slug).toBe("capstor")
    expect(waldur_offering_details.vast).toEqual({ error: expect.stringContaining("does not see") })
  })

  test("lacks only the details if the list of offerings cannot be read", async () => {
    const other = await aProxy({ world: aWorld(10) })
    other.sandbox.faults.set("waldur", { path: "/api/marketplace-provider-offerings/", status: 403 })
    const json = await debug("", other)
    for (const slug of ["capstor", "vast", "iopsstor"]) {
      expect(json.waldur_offering_details[slug]).toEqual({ error: expect.any(String) })
    }
    expect(json.raw_resources.resources.length).toBe(10)
  })
})

describe("raw resources", () => {
  const visible = () =>
    proxy.sandbox.world.resources.filter(
      (row: Any) =>
        ["capstor", "vast", "iopsstor"].includes(row.offering_slug) &&
        !(
          row.state === "Creating" &&
          ["pending-consumer", "pending-project", "pending-start-date"].includes(row.order_in_progress?.state)
        ),
    )

  test("are Waldur's own rows, undashed, with all fields, counted as Waldur counts", async () => {
    const { resources, pagination } = (await debug("page_size=300")).raw_resources
    const rows = visible()
    expect(pagination).toEqual({ current: 1, limit: 300, offset: 0, pages: 1, total: rows.length })
    const byName = new Map(rows.map((row) => [row.name, row]))
    expect(resources.length).toBe(rows.length)
    for (const row of resources) expect(row).toEqual(asServed(byName.get(row.name)))
    expect(resources.some(({ uuid }: Any) => /^[0-9a-f]{32}$/.test(uuid))).toBe(true)
  })

  test("come 300 to a page at most, however many were requested", async () => {
    const large = await aProxy({ world: aWorld(301) })
    const { resources, pagination } = (await debug("page_size=500", large)).raw_resources
    expect(pagination).toEqual({ current: 1, limit: 300, offset: 0, pages: 2, total: 301 })
    expect(resources.length).toBe(300)
    const second = (await debug("page_size=500&page=2", large)).raw_resources
    expect(second.pagination).toEqual({ current: 2, limit: 300, offset: 300, pages: 2, total: 301 })
    expect(second.resources.length).toBe(1)
  })

  test("come complete with pages 1 to n; a page past the end is empty and still counts", async () => {
    const names: Array<unknown> = []
    const total = visible().length
    for (let page = 1; page <= Math.ceil(total / 90); page += 1) {
      const { resources, pagination } = (await debug(`page=${page}&page_size=90`)).raw_resources
      expect(pagination).toEqual({
        current: page,
        limit: 90,
        offset: (page - 1) * 90,
        pages: Math.ceil(total / 90),
        total,
      })
      names.push(...resources.map(({ name }: Any) => name))
    }
    expect(names.sort()).toEqual(
      visible()
        .map(({ name }) => name)
        .sort(),
    )
    const past = (await debug("page=1000000&page_size=90")).raw_resources
    expect(past.resources).toEqual([])
    expect(past.pagination).toMatchObject({ current: 1000000, total, pages: Math.ceil(total / 90) })
  })

  test("are filtered by Waldur for storage_system and state: these change the counts", async () => {
    const wanted = visible().filter(({ offering_slug, state }) => offering_slug === "vast" && state === "OK")
    const { resources, pagination, filters_applied } = (await debug("storage_system=vast&state=OK&page_size=300"))
      .raw_resources
    expect(pagination.total).toBe(wanted.length)
    expect(resources.map(({ uuid }: Any) => uuid).sort()).toEqual(wanted.map(({ uuid }) => uuid).sort())
    expect(filters_applied).toEqual({ storage_system: "vast", data_type: null, status: null, state: "OK" })
  })

  test("are filtered per page for data_type and status: these leave the counts alone", async () => {
    const small = await aProxy({ world: aWorld(30) })
    const whole = (await debug("page_size=300", small)).raw_resources
    const page = (await debug("page=2&page_size=10", small)).raw_resources
    const selected = (await debug("page=2&page_size=10&data_type=store&status=active", small)).raw_resources
    expect(selected.pagination).toEqual(page.pagination)
    expect(selected.pagination.total).toBe(30)
    const wanted = page.resources.filter(
      (row: Any) => row.attributes.storage_data_type === "store" && row.state === "OK",
    )
    expect(wanted.length).toBeGreaterThan(0)
    expect(selected.resources).toEqual(wanted)
    expect(selected.filters_applied).toEqual({
      storage_system: null,
      data_type: "store",
      status: "active",
      state: null,
    })
    expect((await debug("data_type=&status=&page_size=300", small)).raw_resources).toEqual(whole)
    expect((await debug("status=active%20", small)).raw_resources.resources).toEqual([])
  })

  test("are read live: a change in Waldur shows at once, while the list is still fresh", async () => {
    const small = await aProxy({ world: aWorld(5) })
    const before = await small.list()
    const row = rowOf(small.sandbox.world, 0)
    row.backend_id = "changed/just/now"
    small.sandbox.world.offerings.push({ ...rowOf(small.sandbox.world, 0), uuid: "f".repeat(32), slug: "other" })
    Object.assign(small.sandbox.world.offerings[0] ?? {}, { description: "changed just now" })
    const json = await debug("", small)
    expect(json.raw_resources.resources.map(({ backend_id }: Any) => backend_id)).toContain("changed/just/now")
    expect(json.waldur_offering_details.capstor.description).toBe("changed just now")
    expect((await small.list()).text).toBe(before.text)
  })
})

describe("the debug document's skipped and warnings", () => {
  const keys = ["uuid", "slug", "offering_slug", "field", "found", "reason"]

  test("have exactly six keys each", async () => {
    const { skipped, warnings } = await debug()
    expect(skipped.length).toBeGreaterThan(20)
    expect(warnings.length).toBeGreaterThan(20)
    for (const one of [...skipped, ...warnings]) {
      expect(Object.keys(one)).toEqual(keys)
      expect(typeof one.field).toBe("string")
      expect(one.reason).not.toBe("")
    }
  })

  test("name the resource, the field by Waldur's path, what was found and what is expected", async () => {
    const { skipped } = await debug()
    const bad = proxy.sandbox.world.cases.get("bad-permissions")?.row
    expect(skipped).toContainEqual({
      uuid: dashed(bad?.uuid),
      slug: bad?.slug,
      offering_slug: "vast",
      field: "attributes.permissions",
      found: "rwx",
      reason: expect.stringMatching(/octal/),
    })
  })

  test("show what is known of a resource without a uuid", async () => {
    const { skipped } = await debug()
    const slug = proxy.sandbox.world.cases.get("uuid-missing")?.row.slug
    const found = skipped.find((one: Any) => one.slug === slug)
    expect(found).toEqual({
      uuid: null,
      slug,
      offering_slug: "capstor",
      field: "uuid",
      found: null,
      reason: expect.any(String),
    })
  })

  test("are as many as readiness counts", async () => {
    const { skipped } = await debug()
    expect((await proxy.ready()).json.snapshot.skipped).toBe(skipped.length)
  })
})

describe("secrets in debug mode", () => {
  test("are masked at any depth in the settings, the offerings and the resources", async () => {
    const secret = "hunter2"
    const small = await aProxy({
      world: aWorld(6),
      document: () => ({
        backend_settings: { nested: { Client_Secret: secret, list: [{ API_TOKEN: secret, plain: "shown" }] } },
        backend_components: { storage: { measured_unit: "TB", unit_factor: 1, storage_password: secret } },
      }),
    })
    const { world } = small.sandbox
    Object.assign(rowOf(world, 0).attributes as object, { a: [[{ b: { "x-secret": [secret], userPassword: 1 } }]] })
    Object.assign(rowOf(world, 0), {
      token: { inner: secret },
      kept: "kept",
      tokens: "none",
      api_key: "none",
      secret: null,
    })
    const capstor = world.offerings.find(({ slug }) => slug === "capstor")
    Object.assign(capstor ?? {}, { plugin_options: { deep: [{ heappe_password: secret }] } })
    for (const query of ["", "storage_system=capstor"]) {
      expect(JSON.stringify(await debug(query, small))).not.toContain(secret)
    }
    const json = await debug("", small)
    expect(json.agent_offering_config.backend_settings.nested).toEqual({
      Client_Secret: "***",
      list: [{ API_TOKEN: "***", plain: "shown" }],
    })
    expect(json.agent_offering_config.backend_components.storage.storage_password).toBe("***")
    expect(json.waldur_offering_details.capstor.plugin_options).toEqual({ deep: [{ heappe_password: "***" }] })
    const row = json.raw_resources.resources.find(({ kept }: Any) => kept === "kept")
    expect(row.attributes.a).toEqual([[{ b: { "x-secret": "***", userPassword: "***" } }]])
    expect([row.token, row.tokens, row.api_key, row.secret]).toEqual(["***", "***", "***", null])
  })

  test("are masked in the value that a finding shows, and in its log line", async () => {
    const item = {
      itemId: "no uuid",
      admin_password: "hunter2",
      deep: [{ api_token: { a: "hunter2" } }],
      note: "shown",
    }
    const small = await aProxy({
      world: aWorld(6),
      prepare: ({ world }) => {
        Object.assign(rowOf(world, 0), {
          attributes: { storage_data_type: "store" },
          backend_metadata: { project_item: item },
        })
        // Cut off at 200 characters, in the middle of a secret.
        Object.assign(rowOf(world, 1), {
          attributes: { storage_data_type: "store" },
          backend_metadata: { project_item: { itemId: "x".repeat(150), client_secret: "hunter2".repeat(20) } },
        })
      },
    })
    const { warnings: all } = await debug("", small)
    const warnings = all.filter(({ field }: Any) => field === "backend_metadata.project_item")
    expect(warnings.length).toBe(2)
    expect(JSON.stringify(warnings)).not.toContain("hunter2")
    expect(JSON.stringify(warnings)).toContain("shown")
    expect(small.logs.join("\n")).not.toContain("hunter2")
  })

  test("of the configuration are neither in the response nor in the log", async () => {
    const old = await aProxy({
      world: aWorld(6),
      document: (sandbox) => {
        const { api_url, client_id, client_secret, oidc_token_url } = hpcUserSection(sandbox)
        return {
          hpc_user_api: undefined,
          backend_settings: {
            hpc_user_api_url: api_url,
            hpc_user_client_id: client_id,
            hpc_user_client_secret: client_secret,
            hpc_user_oidc_token_url: oidc_token_url,
          },
        }
      },
    })
    const { text } = await old.list("debug=true")
    for (const secret of [old.sandbox.hpcUserApi.clientSecret, old.sandbox.waldur.token, "secret-admin-password"]) {
      expect(text).not.toContain(secret)
      expect(old.logs.join("\n")).not.toContain(secret)
    }
    expect(JSON.parse(text).agent_offering_config.backend_settings.hpc_user_client_secret).toBe("***")
  })
})

describe("debug mode while upstreams fail", () => {
  test("works without the HPC User API, though no list is held, and reports why", async () => {
    const cold = await aProxy({ world: aWorld(5), prepare: ({ faults }) => faults.set("hpcUserApi", { status: 403 }) })
    expect((await cold.list()).status).toBe(502)
    const json = await debug("", cold)
    expect(json.raw_resources.resources.length).toBe(5)
    expect(json.waldur_offering_details.capstor.slug).toBe("capstor")
    expect(json.skipped).toEqual([])
    expect(json.warnings.map(({ field, reason }: Any) => [field, reason])).toEqual([
      ["snapshot", expect.stringContaining("GID")],
    ])
    expect(Object.keys(json.warnings[0])).toEqual(["uuid", "slug", "offering_slug", "field", "found", "reason"])
  })

  test("is 502 if Waldur fails, though a good list is held", async () => {
    const warm = await aProxy({ world: aWorld(5) })
    await warm.list()
    warm.sandbox.faults.set("waldur", { status: 403 })
    const { status, json } = await warm.list("debug=true")
    expect([status, json.error]).toEqual([502, "UpstreamServiceError"])
    expect((await warm.list()).status).toBe(200)
  })
})

describe("many concurrent debug requests", () => {
  const slow = { method: "GET", path: "/api/marketplace-provider-offerings/", hang: true } as const

  test("read Waldur twice at most; equal ones share a read, others are 503 after five seconds, and the list is unaffected", async () => {
    const busy = await aProxy({ world: aWorld(5), environment: { CACHE_FRESH_FOR: "3600" } })
    await busy.list()
    busy.sandbox.faults.set("waldur", slow)
    const before = busy.sandbox.calls.of("waldur").length
    const reads = () =>
      busy.sandbox.calls
        .of("waldur")
        .slice(before)
        .filter(({ path }) => path === slow.path).length
    const answers = Array.from({ length: 300 }, (_, index) =>
      busy.list(`debug=true&foo=${index}&page=${(index % 30) + 1}`),
    )
    await until(() => reads() === 2)
    expect((await busy.list()).status).toBe(200)
    await busy.pass("5 seconds")
    expect(reads()).toBe(2)
    busy.sandbox.faults.clear()
    await busy.hurried(Promise.all(answers))
    const got = await Promise.all(answers)
    const refused = got.filter(({ status }) => status === 503)
    expect(refused.length).toBe(280)
    for (const { headers, json } of refused) {
      expect([headers.get("retry-after"), json.error]).toEqual(["5", "TooBusy"])
      expect(Object.keys(json)).toEqual(["detail", "error"])
    }
    // Two reads for the other twenty, however they ended.
    expect(new Set(got.filter(({ status }) => status !== 503).map(({ text }) => text)).size).toBeLessThanOrEqual(2)
  })

  test("leave nothing behind when their callers disconnect: their read ends, and the next one has its turn", async () => {
    const busy = await aProxy({ world: aWorld(5), environment: { CACHE_FRESH_FOR: "3600" } })
    await busy.list()
    busy.sandbox.faults.set("waldur", slow)
    const before = busy.sandbox.calls.of("waldur").length
    const leaving = new AbortController()
    const left = ["storage_system=capstor", "storage_system=vast"].map((query) =>
      busy.get(`/api/storage-resources/?debug=true&${query}`, { signal: leaving.signal }).catch(() => undefined),
    )
    const reads = () =>
      busy.sandbox.calls
        .of("waldur")
        .slice(before)
        .filter(({ path }) => path === slow.path)
    await until(() => reads().length === 2)
    leaving.abort()
    await Promise.all(left)
    busy.sandbox.faults.clear()
    expect((await busy.list("debug=true")).status).toBe(200)
  })
})

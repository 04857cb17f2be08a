import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import manifest from "../package.json" with { type: "json" }
import { type Any, aProxy, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld, dashed, mountPointsOf, rowOf } from "./a-world.ts"
import { linksOf } from "./links-of.ts"

const world = aWorld(60)
let proxy: TestedProxy
beforeAll(async () => {
  proxy = await startProxy({ world })
})
afterAll(() => proxy.close())

const paths = (json: Any): Array<string> => json.resources.map((entry: Any) => entry.mountPoint.default)
const all = async () => (await proxy.list("page_size=500")).json.resources as ReadonlyArray<Any>
const unfiltered = { storage_system: null, data_type: null, status: null, state: null }
const everywhere = ["capstor", "vast", "iopsstor"]

describe("the list response", () => {
  test("has its keys in the order of the contract, and the version of the package", async () => {
    const { status, headers, json } = await proxy.list()
    expect(status).toBe(200)
    expect(headers.get("content-type")).toMatch(/^application\/json/)
    expect(Object.keys(json)).toEqual(["version", "status", "resources", "pagination", "filters_applied"])
    expect(json.version).toBe(manifest.version)
    expect(json.status).toBe("success")
    expect(Object.keys(json.pagination)).toEqual(["current", "limit", "offset", "pages", "total", "has_next"])
    expect(Object.keys(json.filters_applied)).toEqual([
      "storage_system",
      "data_type",
      "status",
      "state",
      "offering_slugs",
    ])
  })

  test("lists the whole tree of Waldur's resources, each mount point once", async () => {
    const wanted = mountPointsOf(world.resources)
    const found = paths({ resources: await all() })
    expect(found.length).toBe(wanted.size)
    expect(new Set(found)).toEqual(wanted)
  })

  test("has the keys of each entry in the order of the contract", async () => {
    const keys = [
      "itemId",
      "status",
      "mountPoint",
      "permission",
      "quotas",
      "target",
      "storageSystem",
      "storageFileSystem",
      "storageDataType",
      "parentItemId",
    ]
    for (const entry of await all()) {
      // An Erred resource can be reported without an order; a removing one has an order that executes.
      const always = ["set_backend_id_url", "set_state_ok_url"]
      const byStatus: Readonly<Record<string, ReadonlyArray<string>>> = {
        error: always,
        removing: ["set_state_done_url", "set_state_erred_url", ...always],
      }
      const urls = byStatus[entry.status] ?? []
      expect(Object.keys(entry)).toEqual([...keys, ...urls])
    }
  })

  test("places a parent right before its children, and systems as configured", async () => {
    const entries = await all()
    const systems = entries.map(({ storageSystem }) => storageSystem.key)
    expect([...new Set(systems)]).toEqual(everywhere)
    expect(systems).toEqual([...systems].sort((a, b) => everywhere.indexOf(a) - everywhere.indexOf(b)))
    let tenant = ""
    let customer = ""
    for (const { itemId, parentItemId, target } of entries) {
      if (target.targetType === "tenant") {
        expect(parentItemId).toBeNull()
        tenant = itemId
      } else if (target.targetType === "customer") {
        expect(parentItemId).toBe(tenant)
        customer = itemId
      } else expect(parentItemId).toBe(customer)
    }
  })

  test("has the same bytes on two replicas", async () => {
    const other = await aProxy({ sandbox: proxy.sandbox })
    expect((await other.list("page_size=500")).text).toBe((await proxy.list("page_size=500")).text)
  })

  test("has the same bytes with and without a trailing slash in the path", async () => {
    const slashed = await proxy.get("/api/storage-resources/?page_size=7")
    const bare = await proxy.get("/api/storage-resources?page_size=7")
    expect(bare.status).toBe(200)
    expect(bare.text).toBe(slashed.text)
    expect(bare.headers.get("link")).toBe(slashed.headers.get("link"))
  })

  test("is the same for HEAD as for GET, without a body", async () => {
    const head = await proxy.get("/api/storage-resources/?page_size=7", { method: "HEAD" })
    const get = await proxy.list("page_size=7")
    expect([head.status, head.text]).toEqual([200, ""])
    expect(head.headers.get("link")).toBe(get.headers.get("link"))
    expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"))
  })

  test("ignores unknown parameters, whatever their name", async () => {
    const plain = await proxy.list()
    for (const query of ["pages=2", "foo[]=1", "__proto__=1", "constructor=x&toString=y", "Page=0", "=", "&&"]) {
      const got = await proxy.list(query)
      expect([query, got.status, got.text]).toEqual([query, 200, plain.text])
    }
  })
})

describe("pagination", () => {
  test("defaults to page 1 and page_size 100", async () => {
    const total = mountPointsOf(world.resources).size
    expect(total).toBeGreaterThan(100)
    const { json } = await proxy.list()
    expect(json.pagination).toEqual({ current: 1, limit: 100, offset: 0, pages: 2, total, has_next: true })
    expect(json.resources.length).toBe(100)
  })

  test("covers the whole list in its order with pages 1 to n, for every page size", async () => {
    const whole = await all()
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 500 }), async (size) => {
        const pages = Math.ceil(whole.length / size)
        const got: Array<Any> = []
        for (let page = 1; page <= pages; page += 1) {
          const { json } = await proxy.list(`page=${page}&page_size=${size}`)
          expect(json.pagination).toEqual({
            current: page,
            limit: size,
            offset: (page - 1) * size,
            pages,
            total: whole.length,
            has_next: page < pages,
          })
          got.push(...json.resources)
        }
        expect(got).toEqual(whole)
      }),
      { numRuns: 15, examples: [[1], [whole.length - 1], [whole.length], [500]] },
    )
  })

  test.each(["999999999999999", `1${"0".repeat(40)}`])("returns page %s as one past the end", async (page) => {
    const { status, json } = await proxy.list(`page=${page}`)
    expect(status).toBe(200)
    expect(json.resources).toEqual([])
    expect(json.pagination).toMatchObject({ current: Math.min(Number(page), Number.MAX_SAFE_INTEGER), has_next: false })
  })

  test("returns an empty list that still counts for a page past the end", async () => {
    const total = (await all()).length
    for (const page of [3, 999, 1_000_000_000]) {
      const { status, json } = await proxy.list(`page=${page}`)
      expect(status).toBe(200)
      expect(json.resources).toEqual([])
      expect(json.pagination).toEqual({
        current: page,
        limit: 100,
        offset: (page - 1) * 100,
        pages: 2,
        total,
        has_next: false,
      })
    }
  })

  test("has no page if nothing is selected", async () => {
    const { json } = await proxy.list("data_type=nothing")
    expect(json.pagination).toEqual({ current: 1, limit: 100, offset: 0, pages: 0, total: 0, has_next: false })
  })

  test("counts total and pages over everything that the filters leave", async () => {
    const chosen = (await all()).filter((entry) => entry.storageDataType.key === "store")
    const { json } = await proxy.list("data_type=store&page=2&page_size=3")
    expect(json.pagination).toEqual({
      current: 2,
      limit: 3,
      offset: 3,
      pages: Math.ceil(chosen.length / 3),
      total: chosen.length,
      has_next: true,
    })
    expect(json.resources).toEqual(chosen.slice(3, 6))
  })
})

describe("the Link header", () => {
  test("leads from the first page through each next one to the last, and back", async () => {
    const wanted = (await all())
      .filter((entry) => entry.status === "active")
      .map(({ mountPoint }) => mountPoint.default)
    let got = await proxy.list("status=active&data_type=&page_size=7&foo=bar")
    const { last } = linksOf(got.headers)
    const there: Array<string> = []
    let at = ""
    for (;;) {
      there.push(...paths(got.json))
      const { next } = linksOf(got.headers)
      if (next === undefined) break
      at = next
      got = await proxy.get(next)
    }
    expect(there).toEqual(wanted)
    expect(at).toBe(last)

    const back: Array<string> = []
    for (;;) {
      back.unshift(...paths(got.json))
      const { prev } = linksOf(got.headers)
      if (prev === undefined) break
      got = await proxy.get(prev)
    }
    expect(back).toEqual(wanted)
    expect(linksOf(got.headers).next).toBeDefined()
  })

  test("is a query only, with first and last on every page, prev and next if there is one", async () => {
    const relations = async (query: string) => {
      const links = linksOf((await proxy.list(query)).headers)
      for (const target of Object.values(links)) expect(target).toMatch(/^\?[^/:]*$/)
      const { first = "" } = links
      expect(new URL(first, "http://x").searchParams.get("page")).toBe("1")
      return Object.keys(links)
    }
    expect(await relations("")).toEqual(["first", "next", "last"])
    expect(await relations("page=2&page_size=50")).toEqual(["first", "prev", "next", "last"])
    expect(await relations("page=2")).toEqual(["first", "prev", "last"])
    expect(await relations("page_size=500")).toEqual(["first", "last"])
    expect(await relations("data_type=nothing")).toEqual(["first", "last"])
  })

  test("keeps every filter, encoded so that special characters survive", async () => {
    const filters = "storage_system=capstor&data_type=a%26page%3D9%3E%2C+%22&status=active&state=OK"
    const { first = "" } = linksOf((await proxy.list(`${filters}&page_size=3`)).headers)
    expect(Object.fromEntries(new URL(first, "http://x").searchParams)).toEqual({
      storage_system: "capstor",
      data_type: 'a&page=9>, "',
      status: "active",
      state: "OK",
      page_size: "3",
      page: "1",
    })
  })

  test("has, past the end, a prev to the last page that has entries", async () => {
    const links = linksOf((await proxy.list("page=77")).headers)
    expect(links).toEqual({
      first: "?page=1",
      prev: expect.stringMatching(/^\?page=2&snapshot=[\w-]+$/),
      last: expect.stringMatching(/^\?page=2&snapshot=[\w-]+$/),
    })
  })

  test("is present for every query that can select anything, and short enough for clients to accept the response", async () => {
    for (const length of [255, 4000, 15_000]) {
      const { status, headers, json } = await proxy.list(`data_type=${"%26".repeat(length)}`)
      expect([status, json.pagination.total]).toEqual([200, 0])
      const link = headers.get("link")
      expect(link === null).toBe(length > 255)
      expect((link ?? "").length).toBeLessThan(8193)
    }
  })
})

describe("filters", () => {
  test("are null in filters_applied if not given", async () => {
    expect((await proxy.list()).json.filters_applied).toEqual({ ...unfiltered, offering_slugs: everywhere })
  })

  test("are repeated in filters_applied if given", async () => {
    const { json } = await proxy.list("storage_system=vast&data_type=store&status=active&state=OK")
    expect(json.filters_applied).toEqual({
      storage_system: "vast",
      data_type: "store",
      status: "active",
      state: "OK",
      offering_slugs: ["vast"],
    })
  })

  test("do not include an empty data_type or status", async () => {
    const plain = (await proxy.list()).json
    for (const query of ["data_type=", "status=", "data_type=&status=", "data_type&status"]) {
      expect((await proxy.list(query)).json).toEqual(plain)
    }
  })

  test("match data_type and status exactly, with case; other values select nothing", async () => {
    for (const query of ["data_type=Store", "data_type=%20store", "data_type=stor", "status=Active", "status=OK"]) {
      const { status, json } = await proxy.list(query)
      expect([query, status, json.resources, json.pagination.total]).toEqual([query, 200, [], 0])
    }
  })

  test("select finished entries on every level by data_type, in their order", async () => {
    for (const type of ["store", "archive", "users", "scratch"]) {
      const wanted = (await all()).filter((entry) => entry.storageDataType.key === type)
      expect(wanted.length).toBeGreaterThan(2)
      expect((await proxy.list(`data_type=${type}&page_size=500`)).json.resources).toEqual(wanted)
    }
  })

  test("exclude tenants and customers with status=active: they are pending", async () => {
    const active = (await proxy.list("status=active&page_size=500")).json.resources as ReadonlyArray<Any>
    expect(active.length).toBe(world.resources.length - 5)
    expect(active.every(({ target }) => ["project", "user"].includes(target.targetType))).toBe(true)
    const pending = (await proxy.list("status=pending&page_size=500")).json.resources as ReadonlyArray<Any>
    const projects = pending.filter(({ target }) => ["project", "user"].includes(target.targetType))
    expect(projects.map(({ itemId }) => itemId)).toEqual([dashed(rowOf(world, 0).uuid)])
    for (const status of ["error", "updating", "removing", "removed"]) {
      expect((await proxy.list(`status=${status}`)).json.pagination.total).toBe(1)
    }
  })

  test("select, by each of Waldur's states, its resources and the parents above them, and no others", async () => {
    const whole = paths({ resources: await all() })
    for (const state of ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated"]) {
      const wanted = mountPointsOf(world.resources.filter((row) => row.state === state))
      const { json } = await proxy.list(`state=${state}&page_size=500`)
      expect(wanted.size).toBeGreaterThan(2)
      expect(paths(json)).toEqual(whole.filter((path) => wanted.has(path)))
      expect(json.filters_applied.state).toBe(state)
    }
  })

  test("are combined", async () => {
    const wanted = mountPointsOf(world.resources.filter((row) => row.state === "OK" && row.offering_slug === "vast"))
    const expected = (await all()).filter(
      (entry) => wanted.has(entry.mountPoint.default) && entry.storageDataType.key === "archive",
    )
    const { json } = await proxy.list("storage_system=vast&state=OK&data_type=archive&page_size=500")
    expect(json.resources).toEqual(expected)
    const active = expected.filter(({ status }) => status === "active")
    expect((await proxy.list("storage_system=vast&state=OK&data_type=archive&status=active")).json.resources).toEqual(
      active,
    )
  })

  test("use the last value of a repeated parameter", async () => {
    const wanted = await proxy.list("storage_system=vast&data_type=store&state=OK&page=1&page_size=5")
    const got = await proxy.list(
      "storage_system=nonsense&data_type=users&state=nonsense&page=x&page_size=0&debug=perhaps&" +
        "storage_system=capstor&storage_system=vast&data_type=store&state=OK&page=1&page_size=5&debug=false",
    )
    expect(got.status).toBe(200)
    expect(got.json).toEqual(wanted.json)
    expect((await proxy.list("data_type=store&data_type=")).json).toEqual((await proxy.list()).json)
  })

  test("select by storage_system the offering slug that the name maps to", async () => {
    const renamed = await aProxy({
      world: aWorld(60),
      document: () => ({ storage_systems: { flash: "iopsstor", vast: "capstor", tape: "no-such-offering" } }),
    })
    const everything = (await renamed.list("page_size=500")).json
    expect(everything.filters_applied.offering_slugs).toEqual(["iopsstor", "capstor", "no-such-offering"])
    const keys = (entries: ReadonlyArray<Any>) => [...new Set(entries.map(({ storageSystem }) => storageSystem.key))]
    expect(keys(everything.resources)).toEqual(["iopsstor", "capstor"])

    const flash = (await renamed.list("storage_system=flash&page_size=500")).json
    expect(flash.filters_applied).toEqual({ ...unfiltered, storage_system: "flash", offering_slugs: ["iopsstor"] })
    expect(keys(flash.resources)).toEqual(["iopsstor"])
    const vast = (await renamed.list("storage_system=vast&page_size=500")).json
    expect(keys(vast.resources)).toEqual(["capstor"])
    expect(flash.pagination.total + vast.pagination.total).toBe(everything.pagination.total)
    expect((await renamed.list("storage_system=tape")).json.pagination.total).toBe(0)

    // Names that are documented, or only slugs.
    for (const name of ["capstor", "iopsstor"]) {
      const { status, json } = await renamed.list(`storage_system=${name}`)
      expect(status).toBe(200)
      expect(json.resources).toEqual([])
      expect(json.pagination).toEqual({ current: 1, limit: 100, offset: 0, pages: 0, total: 0, has_next: false })
      expect(json.filters_applied).toEqual({ ...unfiltered, storage_system: name, offering_slugs: [] })
    }

    const refused = await renamed.list("storage_system=no-such-offering")
    expect(refused.status).toBe(422)
    expect(refused.json.detail[0].ctx).toEqual({
      allowed_values: ["capstor", "vast", "iopsstor", "flash", "tape"],
      help: "Use: ?storage_system=capstor or ?storage_system=vast or ?storage_system=iopsstor or ?storage_system=flash or ?storage_system=tape",
    })
  })
})

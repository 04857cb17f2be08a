import { createHash } from "node:crypto"
import {
  ALL_MUTATIONS,
  buildWorld,
  changeResource,
  mutate,
  type Sandbox,
  startSandbox,
  type WaldurRecord,
  type World,
} from "@cscs/sandbox"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type Any, hpcUserSection, noCache, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

/** What happens to the upstreams between two refreshes; the number selects the target. */
type Step = readonly [what: string, number: number]

const pick = <A>(from: ReadonlyArray<A>, number: number): A | undefined => from[number % from.length]
const hex = (number: number, fill: string) => number.toString(16).padStart(32, fill)
const object = (value: unknown) => (typeof value === "object" && value !== null ? (value as WaldurRecord) : {})

const oddValues: ReadonlyArray<(number: number) => WaldurRecord> = [
  (number) => ({ backend_id: `/pool/${number % 3}/dir/${number}` }),
  (number) => ({ backend_id: number % 2 === 0 ? "" : "relative/path" }),
  () => ({ backend_id: "/pool/shared/one" }),
  (number) => ({ limits: { storage: number } }),
  (number) => ({ limits: { storage: number % 2 === 0 ? null : "many" } }),
  (number) => ({ options: { soft_quota_space: number, hard_quota_space: 10, permissions: "700" } }),
  (number) => ({ options: number % 2 === 0 ? null : { permissions: "rwx", hard_quota_inodes: number } }),
  (number) => ({ state: pick(["OK", "Erred", "Updating", "Terminating", "Terminated", "Creating"], number) ?? "OK" }),
  (number) => ({ attributes: { storage_data_type: pick(["store", "users", "scratch", "", "other"], number) ?? "" } }),
  (number) => ({ attributes: number % 2 === 0 ? "junk" : { permissions: 775 } }),
  (number) => ({ slug: `slug-${number}`, created: `2024-01-01T00:00:00.${String(number).padStart(6, "0")}Z` }),
  (number) => ({ customer_uuid: null, customer_slug: `lonely-${number % 3}` }),
  (number) => ({
    backend_metadata: {
      project_item: { itemId: "7b1e4a52-3c0f-4d1a-9c55-1f0e2a3b4c5d", unixGid: number % 2 === 0 ? 45_001 : "none" },
    },
  }),
]

type Happen = (sandbox: Sandbox, number: number, renew: () => Promise<unknown>) => unknown

const steps: Readonly<Record<string, Happen>> = {
  ...Object.fromEntries(
    ALL_MUTATIONS.map((what) => [what, ({ world }: Sandbox, number: number) => mutate(world, what, number)]),
  ),
  "odd-value": ({ world }, number) => {
    const row = pick(world.resources, number)
    if (row) changeResource(world, row, pick(oddValues, number >> 3)?.(number) ?? {})
  },
  "malformed-records": ({ world }, number) => {
    // Their directories are known in part only, and they are well formed again later.
    for (let at = 0; at < 4; at += 1) {
      const row = pick(world.resources, number + at * 5)
      const isWell = typeof row?.slug === "string"
      if (row)
        changeResource(
          world,
          row,
          isWell ? { slug: 5, project_slug: "../x" } : { slug: "well", project_slug: `known-${at}` },
        )
    }
  },
  "removals-in-one-place": ({ world }, number) => {
    for (let at = 0; at < 4; at += 1) {
      const row = pick(world.resources, number + at * 3)
      const backend_id = `/pool/place${["", "/a/b", "/a-b", "/a/c"][at]}`
      if (row) changeResource(world, row, { backend_id, state: (number >> at) % 2 === 0 ? "Terminated" : "OK" })
    }
  },
  "known-project": ({ world }, number) => {
    const row = pick(world.resources, number)
    world.gids.set(`known-${number}`, 50_000 + (number % 1000))
    if (row) changeResource(world, row, { project_slug: `known-${number}`, project_name: `Known ${number}` })
  },
  "unknown-project": ({ world }, number) => {
    const row = pick(world.resources, number)
    if (row) changeResource(world, row, { project_slug: `unknown-${number % 5}` })
  },
  "project-becomes-known": ({ world }, number) => {
    for (const slug of new Set(world.resources.map(({ project_slug }) => String(project_slug)))) {
      if (!world.gids.has(slug)) world.gids.set(slug, 60_000 + (number % 1000))
    }
  },
  "new-customer": ({ world }, number) => {
    const row = pick(world.resources, number)
    if (!row) return
    const [uuid, slug] = [hex(number, "c"), `new-customer-${number}`]
    const list = world.customersByOffering.get(String(row.offering_uuid))
    list?.push({ ...structuredClone(object(list[0])), uuid, slug, name: `New ${number}` })
    changeResource(world, row, { customer_uuid: uuid, customer_slug: slug, customer_name: `Of resource ${number}` })
  },
  "another-customer": ({ world }, number) => {
    const [row, other] = [pick(world.resources, number), pick(world.resources, number >> 2)]
    if (!row || !other) return
    const { customer_uuid = null, customer_slug = null, customer_name = null } = other
    changeResource(world, row, { customer_uuid, customer_slug, customer_name })
  },
  "offering-empties": ({ world }, number) => {
    const slug = pick(["capstor", "vast", "iopsstor"], number)
    const kept = world.resources.filter(({ offering_slug }) => offering_slug !== slug)
    world.resources.splice(0, world.resources.length, ...kept)
  },
  "order-action": async ({ world, waldur }, number) => {
    const row = pick(
      world.resources.filter(({ order_in_progress }) => object(order_in_progress).uuid !== undefined),
      number,
    )
    if (!row) return
    const action = pick(
      ["approve_by_provider", "reject_by_provider", "set_state_executing", "set_state_done", "set_state_erred"],
      number >> 2,
    )
    const url = `${waldur.url}marketplace-orders/${object(row.order_in_progress).uuid}/${action}/`
    const answer = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Token ${waldur.actingToken}`, "Content-Type": "application/json" },
      body: JSON.stringify({ error_message: "no", error_traceback: "" }),
    })
    await answer.arrayBuffer()
  },
  "lists-of-customers-fail": async (sandbox, number, renew) => {
    await steps["new-customer"]?.(sandbox, number, renew)
    // Otherwise data that was read without the lists could stay as the last good one: a different one for each proxy.
    sandbox.faults.clear("hpcUserApi")
    const fault = sandbox.faults.set("waldur", { path: /customers/, status: 404 })
    await renew()
    fault.clear()
    await renew()
  },
  "waldur-fails": async ({ faults }, _, renew) => {
    const fault = faults.set("waldur", { status: 403 })
    await renew()
    fault.clear()
  },
  "hpc-user-api-fails": ({ faults }) => faults.set("hpcUserApi", { status: 403 }),
  "hpc-user-api-heals": ({ faults }) => faults.clear("hpcUserApi"),
}

const queries = [
  "",
  "page=2",
  "page_size=7&page=3",
  "page_size=500",
  "state=Erred",
  "state=OK&storage_system=vast",
  "status=active&data_type=store",
]

/** Short, for reading where two differ. */
const digestOf = (text: string) => createHash("sha256").update(text).digest("hex")

/** Everything that a proxy reports about its list, except times. */
const saidBy = async (proxy: TestedProxy): Promise<ReadonlyArray<unknown>> => {
  const reported: Array<unknown> = []
  for (const accept of ["application/json", "application/x-ndjson"]) {
    for (const query of queries) {
      const { status, text, headers } = await proxy.get(`/api/storage-resources/?${query}`, {
        headers: { Accept: accept },
      })
      reported.push([accept, query, status, headers.get("etag"), headers.get("link"), digestOf(text)])
    }
  }
  const { skipped, warnings } = (await proxy.list("debug=true&page_size=1")).json
  const { json } = await proxy.ready()
  const report: Any = {
    skipped: json.snapshot.skipped,
    entries: json.snapshot.entries,
    warnings: json.warnings,
    upstreams: Object.values(json.upstreams).map(({ status }: Any) => status),
  }
  return [...reported, skipped, warnings, report]
}

interface Setting {
  readonly world: () => World
  readonly fallback: "none" | "mock"
  /** Whether a proxy that reads changes only must agree, too. */
  readonly byChanges: boolean
}

const compared = async (
  { world, fallback, byChanges }: Setting,
  rounds: ReadonlyArray<ReadonlyArray<Step>>,
): Promise<number> => {
  const sandbox = await startSandbox({ world: world() })
  const proxyOf = (every: string) =>
    startProxy({
      sandbox,
      environment: { CACHE_FULL_REFRESH_EVERY: every, CACHE_STALE_IF_ERROR: "1000h" },
      document: () => ({ hpc_user_api: { ...hpcUserSection(sandbox), fallback } }),
    })
  // The last one reads everything each time, as `full` does, but updates its tree.
  const [light, full, updated] = [await proxyOf("1000h"), await proxyOf("0"), await proxyOf("1ms")]
  const proxies = [light, full, updated]
  const expectEqual = async () => {
    const whole = await saidBy(full)
    if (byChanges) expect(await saidBy(light)).toEqual(whole)
    expect(await saidBy(updated)).toEqual(whole)
  }
  // All at the same moments: what is served while an API fails depends on what was served before.
  let waldursTime = Date.parse(sandbox.world.now)
  const renew = async () => {
    // A Waldur ahead of the proxy's clock is read in full.
    const passed = Date.parse(sandbox.world.now) - waldursTime
    waldursTime += passed
    for (const proxy of proxies) await proxy.pass(passed)
    for (const proxy of proxies) await proxy.get("/api/storage-resources/", noCache)
  }
  try {
    await expectEqual()
    for (const round of rounds) {
      for (const [what, number] of round) {
        await steps[what]?.(sandbox, number, renew)
        // Some changes come one by one, some at once.
        if (number % 3 === 0) await renew()
      }
      // After a minute both look up again the projects that they did not find.
      for (const proxy of proxies) await proxy.pass("61 seconds")
      await renew()
      await expectEqual()
    }
    return light.logs.filter((line) => line.includes('"read":"changes"')).length
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await sandbox.close()
  }
}

const someRounds = fc.array(
  fc.array(fc.tuple(fc.constantFrom(...Object.keys(steps)), fc.nat({ max: 100_000 })), { minLength: 1, maxLength: 5 }),
  { minLength: 1, maxLength: 7 },
)

const oddWorld = () => buildWorld({ resources: 270 })

const settings: ReadonlyArray<readonly [string, Setting, number]> = [
  ["an ordinary Waldur", { world: () => aWorld(40), fallback: "none", byChanges: true }, 2],
  ["a Waldur of odd records", { world: () => withoutTwins(oddWorld()), fallback: "none", byChanges: true }, 2],
  ["several rows of one uuid", { world: oddWorld, fallback: "none", byChanges: false }, 2],
  [
    "mock GIDs for projects that the API does not know",
    { world: () => aWorld(40), fallback: "mock", byChanges: true },
    2,
  ],
]

/** Removes second rows of one uuid: with one, only a full read can tell whose an order is. */
function withoutTwins(world: World): World {
  const seen = new Set<unknown>()
  world.resources = world.resources.filter(({ uuid }) => !seen.has(uuid) && seen.add(uuid))
  return world
}

describe("a refresh returns the same, byte for byte, whether it reads changes or everything, and updates the tree or builds it", () => {
  test.each(settings)("with %s", async (_, setting, numRuns) => {
    let byChanges = 0
    await fc.assert(
      fc.asyncProperty(someRounds, async (rounds) => {
        byChanges += await compared(setting, rounds)
      }),
      { numRuns, seed: 20_261_123, endOnFailure: true },
    )
    // Not because both are full reads.
    expect(byChanges).toBeGreaterThan(numRuns)
  })
})

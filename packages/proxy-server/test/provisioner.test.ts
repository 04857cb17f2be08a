import { buildWorld, startSandbox, type WaldurRecord, type World } from "@cscs/sandbox"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { aDisk, type Disk } from "./a-disk.ts"
import { type Around, actOn, type Report, type Rule, rules } from "./a-provisioner.ts"
import { type Any, noCache, startProxy } from "./a-proxy.ts"
import { type Chance, type End, itemIdOf, type Life, lives, placeInProject, storageOf } from "./order-lives.ts"

/** Valid resources of the two systems whose offerings leave all to the provider, each OK and in a project of its own. */
const aQuietWorld = (count: number): World => {
  const world = buildWorld({ edgeCases: false, resources: count * 3 })
  const isOurs = ({ offering_slug }: WaldurRecord) => offering_slug === "capstor" || offering_slug === "vast"
  world.resources = world.resources.filter(isOurs).slice(0, count)
  for (const [index, row] of world.resources.entries()) {
    placeInProject(world, row, `loop-${index}`, 51_000 + index)
    Object.assign(row, {
      state: "OK",
      order_in_progress: null,
      backend_id: "",
      backend_metadata: {},
      options: {},
      limits: { storage: 5 + index },
    })
  }
  return world
}

/** By the rules of the contract and by nothing of the proxy's code. */
const pathOf = (row: WaldurRecord): string => {
  if (String(row.backend_id).startsWith("/")) return String(row.backend_id)
  const { offering_slug, provider_slug, customer_slug, project_slug } = row
  const type = (row.attributes as WaldurRecord).storage_data_type
  return `/${offering_slug}/${type}/${provider_slug}/${customer_slug}/${project_slug}`
}
const orderedQuotas = (storage: number, space = storage): ReadonlyArray<number> => [
  space,
  space,
  Math.trunc(storage * 1_000_000 * 1.33),
  Math.trunc(storage * 1_000_000 * 2),
]
const quotasOfRow = (row: WaldurRecord, reportsOptions: boolean): ReadonlyArray<number> => {
  const { hard_quota_space } = row.options as WaldurRecord
  return orderedQuotas(storageOf(row), reportsOptions ? undefined : (hard_quota_space as number | undefined))
}

/** What befalls a report on its way; each once. */
const mishaps = [
  { status: 503 },
  { rewrite: (answer: { headers: Headers }) => ({ ...answer, status: 504, body: new Uint8Array() }) },
  { reset: true },
  { status: 400 },
  { status: 401 },
  { status: 403 },
  { status: 404 },
  { status: 405 },
  { status: 429 },
  { status: 500, body: "html" as const },
]
/** Those after which the report has not arrived, whatever it was. */
const unarrived = mishaps.filter((one) => !("rewrite" in one))

interface Setting {
  readonly names: ReadonlyArray<string>
  /** Decides over all that goes wrong. */
  readonly seed: number
  /** For so many cycles things go wrong; then they go right until all lives are over. */
  readonly wildCycles: number
  readonly reportsPaths: boolean
  readonly reportsOptions?: boolean
  readonly by?: ReadonlyArray<Rule>
  /** Done to the disk after each cycle, beside the rules. */
  readonly besides?: (entries: ReadonlyArray<Any>, disk: Disk) => void
}

const mostCalmRounds = 40

/** Numbers of 32 bits without a sign that follow from the seed. */
const xorshift = (seed: number) => {
  let word = seed | 0 || 1
  const next = (): number => {
    word ^= word << 13
    word ^= word >>> 17
    word ^= word << 5
    return word >>> 0
  }
  // The first numbers of small seeds are small.
  for (let skipped = 0; skipped < 8; skipped += 1) next()
  return next
}

/** Lives the lives until all are over and all is quiet; what is then not as ordered. */
const wrongAfter = async (setting: Setting): Promise<ReadonlyArray<string>> => {
  const { names, seed, wildCycles, reportsPaths, reportsOptions = false, by = rules, besides } = setting
  let isWild = true
  const random = xorshift(seed)
  const chance: Chance = (below) => (isWild ? random() % below : 0)
  const sandbox = await startSandbox({ world: aQuietWorld(names.length) })
  sandbox.waldur.worker.delay = "held"
  const { world } = sandbox
  const proxy = await startProxy({
    sandbox,
    document: () => ({ storage_systems: { capstor: "capstor", vast: "vast" } }),
  })
  const disk = aDisk()
  const rejected = new Set<string>()
  const wrong: Array<string> = []
  const running = names.map((name, number) => {
    const row = world.resources[number] as WaldurRecord
    const life = lives[name]?.({ sandbox, row, number, disk, chance, rejected }) as Life
    return { name, row, life, wait: 0 as number | (() => boolean), end: undefined as End | undefined }
  })

  const report: Report = async (url, body) => {
    const fault = (reportsOptions ? unarrived : mishaps)[chance(30) - 1]
    const set = fault && sandbox.faults.set("waldur", { method: "POST", times: 1, ...(fault as object) })
    const [, uuid = ""] = /marketplace-orders\/([0-9a-f]+)\/set_state_done/.exec(url) ?? []
    const order = world.orders.find((one) => one.uuid === uuid)
    const before = order?.state
    const response = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Token ${sandbox.waldur.token}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => undefined)
    await response?.arrayBuffer()
    set?.clear()
    if (before === "executing" && order?.state === "done") judgeDone(order)
    return response?.status
  }
  /** What is reported done must be true at that moment. */
  const judgeDone = (order: WaldurRecord) => {
    const row = world.resources.find(({ uuid }) => uuid === order.marketplace_resource_uuid) as WaldurRecord
    const directory = disk.directories.get(disk.pathOf(itemIdOf(row)) ?? "")
    if (order.type === "Terminate") {
      if (directory !== undefined) wrong.push(`${row.slug} is reported removed, and is there`)
    } else if (String(directory?.quotas) !== String(quotasOfRow(row, reportsOptions))) {
      wrong.push(`${row.slug} is reported done with quotas ${directory?.quotas}`)
    }
  }

  let list: ReadonlyArray<Any> = []
  const read = async (): Promise<void> => {
    const kind = chance(6)
    // The list of before, once more.
    if (kind === 1) return
    if (kind === 2) sandbox.faults.set("waldur", { method: "GET", status: 403 })
    if (kind === 3) await proxy.pass("11 seconds")
    const got = proxy.get("/api/storage-resources/?page_size=500", kind === 3 ? undefined : noCache)
    const { status, json } = await (kind === 2 ? proxy.hurried(got) : got)
    sandbox.faults.clear("waldur")
    // The circuit of an upstream that failed is closed again.
    if (kind === 2) await proxy.pass("61 seconds")
    if (status === 200) list = json.resources
  }
  let failures = new Map<string, number>()
  const round = async (number: number): Promise<void> => {
    for (const one of running) {
      if (one.end !== undefined) continue
      if (typeof one.wait === "number" ? --one.wait >= 0 : !one.wait()) continue
      const { done, value } = await one.life.next()
      if (done === true) one.end = value
      else one.wait = value
    }
    if (chance(3) === 0) sandbox.waldur.worker.work()
    await read()
    const around: Around = {
      disk,
      report,
      rejects: ({ itemId }) => rejected.has(itemId),
      reportsOptions,
      reportsPaths,
      failures,
    }
    const dies = () => {
      if (reportsOptions || chance(60) !== 1) return false
      failures = new Map()
      return true
    }
    await actOn(list, around, dies, by)
    besides?.(list, disk)
    for (const { itemId } of disk.directories.values()) disk.write(itemId, `of round ${number}`)
  }
  try {
    let rounds = 0
    for (; rounds < wildCycles; rounds += 1) await round(rounds)
    isWild = false
    for (let calm = 0; running.some(({ end }) => end === undefined); calm += 1) {
      const open = running.flatMap(({ name, row, end }) => (end === undefined ? [`${name}: ${row.state}`] : []))
      if (calm > mostCalmRounds) return [`never ends: ${open.join(", ")}`]
      await round(rounds++)
    }
    for (let last = 0; last < 5; last += 1) await round(rounds++)
    for (const row of world.resources) {
      const one = running.find((other) => other.row === row)
      const end = one?.end ?? { state: "OK", directory: "as listed" }
      wrong.push(...wrongWith(row, end, disk, reportsOptions).map((what) => `${one?.name ?? "made again"}: ${what}`))
    }
    for (const { mountPoint, target } of list) {
      const isMissing = ["tenant", "customer"].includes(target.targetType) && !disk.parents.has(mountPoint.default)
      if (isMissing) wrong.push(`${mountPoint.default} is missing`)
    }
    return wrong
  } finally {
    await proxy.close()
    await sandbox.close()
  }
}

/** What of a resource's state and directory is not as it has to end; above all, whether data is lost. */
const wrongWith = (row: WaldurRecord, end: End, disk: Disk, reportsOptions: boolean): ReadonlyArray<string> => {
  const itemId = itemIdOf(row)
  const path = disk.pathOf(itemId)
  const directory = disk.directories.get(path ?? "")
  const files = disk.written.get(itemId) ?? []
  const found = end.directory === "gone" ? disk.trash.get(itemId)?.data : directory?.data
  const wrong = files.every((file, index) => found?.[index] === file) ? [] : ["data is lost"]
  if (row.state !== end.state || row.order_in_progress !== null) wrong.push(`it is ${row.state}`)
  if (end.storage !== undefined && end.storage !== storageOf(row)) wrong.push(`it has ${storageOf(row)} TB`)
  if (end.directory === "gone" && path !== undefined) wrong.push(`${path} is still there`)
  if (end.directory !== "as listed") return wrong
  if (path !== pathOf(row)) wrong.push(`it is at ${path}, not at ${pathOf(row)}`)
  const ordered = quotasOfRow(row, reportsOptions)
  if (String(directory?.quotas) !== String(ordered)) wrong.push(`quotas ${directory?.quotas}, not ${ordered}`)
  const gid = Number(disk.directories.get(path ?? "")?.gid)
  return gid === gidOf(row) ? wrong : [...wrong, `group ${gid}`]
}

/** Each project of these worlds has a number, and its GID follows from it; a renamed one keeps its own. */
const gidOf = ({ project_slug }: WaldurRecord): number => {
  const [, kind, number] = /^(loop|renamed|other)-(\d+)$/.exec(String(project_slug)) ?? []
  return (kind === "other" ? 58_000 : 51_000) + Number(number)
}

const someSeed = { seed: fc.integer({ min: 1 }), wildCycles: fc.nat({ max: 25 }), reportsPaths: fc.boolean() }
const numRuns = (usual: number) => Number(process.env.PROVISIONER_RUNS ?? usual)
const holds = async (settings: fc.Arbitrary<Setting>, runs: number): Promise<void> =>
  fc.assert(
    fc.asyncProperty(settings, async (setting) => {
      expect(await wrongAfter(setting)).toEqual([])
    }),
    { numRuns: numRuns(runs), endOnFailure: true },
  )

const everyLife = Object.keys(lives)

describe("a provisioner that does what each row of the document says ends with all as ordered and no data lost", () => {
  test.each(everyLife)("after %s", async (name) => {
    await holds(fc.record({ names: fc.constant([name, name]), ...someSeed }), 3)
  })

  test("after all of these at once", async () => {
    await holds(fc.record({ names: fc.constant(everyLife), ...someSeed }), 10)
  })
})

import { readFileSync } from "node:fs"
import {
  buildWorld,
  type PlacedOrder,
  placeOrder,
  startSandbox,
  TOKENS,
  type WaldurRecord,
  type World,
} from "@cscs/sandbox"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { aDisk, type Disk } from "./a-disk.ts"
import {
  type Around,
  actOn,
  approve,
  finish,
  keepAsListed,
  type Report,
  type Rule,
  reportOptions,
  rules,
} from "./a-provisioner.ts"
import { type Any, aProxy, noCache, startProxy } from "./a-proxy.ts"
import { type Chance, type End, itemIdOf, type Life, lives, placeInProject, storageOf } from "./order-lives.ts"

/**
 * Valid resources of the two systems whose offerings leave everything to the provider, each OK and in a project of its
 * own.
 */
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

/** A resource's path by the rules of the contract, without any of the proxy's code. */
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

/** Faults of a report to Waldur. */
const reportFaults = [
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
/** Faults in which Waldur does not receive the report. */
const faultsBeforeArrival = reportFaults.filter((one) => !("rewrite" in one))

interface Setting {
  readonly names: ReadonlyArray<string>
  /** Determines all faults and events. */
  readonly seed: number
  /** Number of cycles with faults; then there are none until all lives are over. */
  readonly wildCycles: number
  readonly reportsPaths: boolean
  readonly reportsOptions?: boolean
  readonly by?: ReadonlyArray<Rule>
  /** Done to the disk after each cycle, in addition to the rules. */
  readonly besides?: (entries: ReadonlyArray<Any>, disk: Disk) => void
}

const maxCalmRounds = 40

/** Unsigned 32-bit numbers that follow from the seed. */
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

/** Runs the lives until all are over and no fault occurs; returns what is then not as ordered. */
const problemsAfter = async (setting: Setting): Promise<ReadonlyArray<string>> => {
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
  const problems: Array<string> = []
  const running = names.map((name, number) => {
    const row = world.resources[number] as WaldurRecord
    const life = lives[name]?.({ sandbox, row, number, disk, chance, rejected }) as Life
    return { name, row, life, wait: 0 as number | (() => boolean), end: undefined as End | undefined }
  })

  const report: Report = async (url, body) => {
    const fault = (reportsOptions ? faultsBeforeArrival : reportFaults)[chance(30) - 1]
    const set = fault && sandbox.faults.set("waldur", { method: "POST", times: 1, ...(fault as object) })
    const [, uuid = ""] = /marketplace-orders\/([0-9a-f]+)\/set_state_done/.exec(url) ?? []
    const order = world.orders.find((one) => one.uuid === uuid)
    const before = order?.state
    const response = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Token ${TOKENS.staff}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => undefined)
    await response?.arrayBuffer()
    set?.clear()
    if (before === "executing" && order?.state === "done") checkDone(order)
    return response?.status
  }
  /** An order that is reported done must be done at that moment. */
  const checkDone = (order: WaldurRecord) => {
    const row = world.resources.find(({ uuid }) => uuid === order.marketplace_resource_uuid) as WaldurRecord
    const directory = disk.directories.get(disk.pathOf(itemIdOf(row)) ?? "")
    if (order.type === "Terminate") {
      if (directory !== undefined) problems.push(`${row.slug} is reported removed, and is there`)
    } else if (String(directory?.quotas) !== String(quotasOfRow(row, reportsOptions))) {
      problems.push(`${row.slug} is reported done with quotas ${directory?.quotas}`)
    }
  }

  let list: ReadonlyArray<Any> = []
  const read = async (): Promise<void> => {
    const kind = chance(6)
    // The provisioner acts on the previous list again.
    if (kind === 1) return
    if (kind === 2) sandbox.faults.set("waldur", { method: "GET", status: 403 })
    if (kind === 3) await proxy.pass("11 seconds")
    const got = proxy.get("/api/storage-resources/?page_size=500", kind === 3 ? undefined : noCache)
    const { status, json } = await (kind === 2 ? proxy.hurried(got) : got)
    sandbox.faults.clear("waldur")
    // Closes the circuit of an upstream that failed.
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
      if (calm > maxCalmRounds) return [`never ends: ${open.join(", ")}`]
      await round(rounds++)
    }
    for (let last = 0; last < 5; last += 1) await round(rounds++)
    for (const row of world.resources) {
      const one = running.find((other) => other.row === row)
      const end = one?.end ?? { state: "OK", directory: "as listed" }
      problems.push(
        ...problemsOf(row, end, disk, reportsOptions).map((what) => `${one?.name ?? "made again"}: ${what}`),
      )
    }
    for (const { mountPoint, target } of list) {
      const isMissing = ["tenant", "customer"].includes(target.targetType) && !disk.parents.has(mountPoint.default)
      if (isMissing) problems.push(`${mountPoint.default} is missing`)
    }
    return problems
  } finally {
    await proxy.close()
    await sandbox.close()
  }
}

/** What is not as expected at the end in a resource's state and directory; above all, whether data is lost. */
const problemsOf = (row: WaldurRecord, end: End, disk: Disk, reportsOptions: boolean): ReadonlyArray<string> => {
  const itemId = itemIdOf(row)
  const path = disk.pathOf(itemId)
  const directory = disk.directories.get(path ?? "")
  const files = disk.written.get(itemId) ?? []
  const found = end.directory === "gone" ? disk.trash.get(itemId)?.data : directory?.data
  const problems = files.every((file, index) => found?.[index] === file) ? [] : ["data is lost"]
  if (row.state !== end.state || row.order_in_progress !== null) problems.push(`it is ${row.state}`)
  if (end.storage !== undefined && end.storage !== storageOf(row)) problems.push(`it has ${storageOf(row)} TB`)
  if (end.directory === "gone" && path !== undefined) problems.push(`${path} is still there`)
  if (end.directory !== "as listed") return problems
  if (path !== pathOf(row)) problems.push(`it is at ${path}, not at ${pathOf(row)}`)
  const ordered = quotasOfRow(row, reportsOptions)
  if (String(directory?.quotas) !== String(ordered)) problems.push(`quotas ${directory?.quotas}, not ${ordered}`)
  const gid = Number(disk.directories.get(path ?? "")?.gid)
  return gid === gidOf(row) ? problems : [...problems, `group ${gid}`]
}

/** Each project of these worlds has a number, from which its GID follows; a renamed one keeps its GID. */
const gidOf = ({ project_slug }: WaldurRecord): number => {
  const [, kind, number] = /^(loop|renamed|other)-(\d+)$/.exec(String(project_slug)) ?? []
  return (kind === "other" ? 58_000 : 51_000) + Number(number)
}

const someSeed = { seed: fc.integer({ min: 1 }), wildCycles: fc.nat({ max: 12 }), reportsPaths: fc.boolean() }
const numRuns = (usual: number) => Number(process.env.PROVISIONER_RUNS ?? usual)
const holds = async (settings: fc.Arbitrary<Setting>, runs: number): Promise<void> =>
  fc.assert(
    fc.asyncProperty(settings, async (setting) => {
      expect(await problemsAfter(setting)).toEqual([])
    }),
    { numRuns: numRuns(runs), endOnFailure: true },
  )

/** Each value as a constant. */
const mapped = <A extends object>(record: A) =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, fc.constant(value)])) as {
    [Name in keyof A]: fc.Arbitrary<A[Name]>
  }

const everyLife = Object.keys(lives)

describe("a provisioner that follows each row of the document ends with all as ordered and no data lost", () => {
  test.each(everyLife)("after %s", async (name) => {
    await holds(fc.record({ names: fc.constant([name, name]), ...someSeed }), 1)
  })

  test("after all of these at once", async () => {
    await holds(fc.record({ names: fc.constant(everyLife), ...someSeed }), 6)
  })
})

const document = readFileSync(new URL("../../../docs/integrators.md", import.meta.url), "utf8")
/** The rows of the first table below a heading, without its head, cell by cell. */
const tableBelow = (heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = document.slice(document.indexOf(`\n${heading}\n`)).split("\n")
  const first = lines.findIndex((line) => line.startsWith("|"))
  const rest = lines.slice(first)
  return rest
    .slice(
      2,
      rest.findIndex((line) => !line.startsWith("|")),
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    )
}

describe("the document's table", () => {
  test("of what to do has the rows that the tested provisioner follows, in their order", () => {
    expect(tableBelow("## What to do")).toEqual(rules.map(({ row }) => row))
  })

  test("of Waldur's responses has each response that the tested provisioner gets", () => {
    const known = tableBelow("### Waldur's responses").flatMap(([response = ""]) => response.split(", "))
    const met = reportFaults.flatMap((one) => (one.status === undefined ? [] : [one.status]))
    expect([200, 409, ...met].filter((status) => !known.includes(status >= 500 ? "5xx" : String(status)))).toEqual([])
  })

  test("has a row for every entry with a status of the contract", () => {
    const urls = ["approve_by_provider_url", "set_state_erred_url", "set_state_ok_url"]
    for (const status of ["pending", "active", "updating", "removing", "error", "removed"]) {
      for (const url of urls) {
        const entry = { status, [url]: "http://waldur/", target: { targetType: "project" } }
        expect(rules.some(({ fits }) => fits(entry))).toBe(true)
      }
    }
  })
})

/** The rules, with one row replaced. */
const withRule = (status: string, urls: string, act: Rule["act"]): ReadonlyArray<Rule> => {
  const changed = rules.map((rule) =>
    rule.row[0].includes(status) && rule.row[1].includes(urls) ? { ...rule, act } : rule,
  )
  if (changed.every((rule, index) => rule === rules[index])) throw new Error(`no row of ${status} with ${urls}`)
  return changed
}
const approves = "approve_by_provider_url"
const executes = "set_state_erred_url"
const asListed: Rule["act"] = (around, entry) => void keepAsListed(around, entry)

interface Deviation extends Pick<Setting, "by" | "besides"> {
  /** If the first seeds do not show it. */
  readonly firstSeed?: number
}

/** Provisioners that do not follow a row, and the life that reveals it. */
const deviations: ReadonlyArray<readonly [what: string, life: string, by: Deviation]> = [
  ["approves no order of an active entry", "an Update of limits", { by: withRule("`active`", approves, asListed) }],
  [
    "approves no order of an entry that is in error",
    "a Create that errs and is given up",
    {
      by: withRule("`error`", approves, (around, entry) =>
        entry.status === "error" ? undefined : approve(around, entry),
      ),
    },
  ],
  [
    "reports an Update done right after its approval",
    "an Update of limits",
    {
      by: withRule("`active`", approves, async (around, entry) => {
        keepAsListed(around, entry, entry.newQuotas)
        await approve(around, entry)
        await around.report(entry.set_state_done_url)
      }),
    },
  ],
  [
    "removes and reports done before the worker has come",
    "a Terminate",
    {
      by: withRule("`active`", executes, (around, entry) =>
        finish(around, entry, () => {
          around.disk.moveToTrash(around.disk.pathOf(entry.itemId) ?? "")
          return true
        }),
      ),
    },
  ],
  [
    "sets the old quotas while the entry is updating",
    "an Update of limits",
    {
      by: withRule("`updating`", executes, (around, entry) => finish(around, entry, () => keepAsListed(around, entry))),
    },
  ],
  [
    "continues after a 409 as after a 200",
    "a Create that is cancelled",
    {
      firstSeed: 5,
      by: withRule("`pending`", approves, async (around, entry) => {
        const status = await around.report(entry.approve_by_provider_url)
        if (entry.status === "pending" && (status === 200 || status === 409)) keepAsListed(around, entry)
      }),
    },
  ],
  [
    "creates a new directory if a known one has another mount point",
    "a directory that moves to another path",
    {
      by: withRule("`active`", "neither", ({ disk }, entry) => {
        const path = entry.mountPoint.default
        const known = disk.pathOf(entry.itemId)
        if (known !== undefined && known !== path) disk.directories.delete(known)
        keepAsListed({ disk } as Around, entry)
      }),
    },
  ],
  [
    "treats entries missing from the list as removed",
    "a Terminate that is reported done too early from outside",
    {
      besides: (entries, disk) => {
        const listed = new Set(entries.map(({ itemId }) => itemId))
        for (const [path, { itemId }] of disk.directories) {
          if (!listed.has(itemId)) disk.directories.delete(path)
        }
      },
    },
  ],
  [
    "removes what is listed as removed",
    "a resource that is terminated without the provisioner",
    {
      by: withRule("`removed`", "any", ({ disk }, { itemId }) => {
        const path = disk.pathOf(itemId)
        if (path !== undefined) disk.moveToTrash(path)
      }),
    },
  ],
  [
    "restores nothing from the trash",
    "a Terminate that errs",
    {
      firstSeed: 20,
      // Like a provisioner that deletes instead of moving to the trash.
      besides: (_, disk) => disk.trash.clear(),
    },
  ],
]

describe("a provisioner that", () => {
  test.each(deviations)("%s is detected", async (_, life, { firstSeed = 1, ...deviation }) => {
    for (let seed = firstSeed; seed < firstSeed + 25; seed += 1) {
      const names = [life, life, life, life]
      const problems = await problemsAfter({ names, seed, wildCycles: 12, reportsPaths: false, ...deviation })
      if (problems.length > 0) return
    }
    expect.unreachable("no deviation is detected with 25 seeds")
  })
})

describe("quotas that are reported as options", () => {
  const chain = ["two Updates of limits", "a Create", "an Update of limits", "an Update that is cancelled"]
  const setting = { names: chain, wildCycles: 20, reportsPaths: false, reportsOptions: true }

  test("do not hold back a later limit if each approval with a 200 is followed by a report", async () => {
    await holds(fc.record({ ...mapped(setting), seed: fc.integer({ min: 1 }) }), 5)
  })

  test("hold back a later limit if they are reported after any approval", async () => {
    const careless: Rule["act"] = async (around, entry) => {
      await around.report(entry.approve_by_provider_url)
      await reportOptions(around, entry)
    }
    for (let seed = 15; seed < 40; seed += 1) {
      const by = withRule("`active`", approves, careless)
      if ((await problemsAfter({ ...setting, seed, by })).length > 0) return
    }
    expect.unreachable("no deviation is detected with 25 seeds")
  })
})

describe("entries that a guard keeps", () => {
  test("cause no report and no change on the disk until Waldur shows them again", async () => {
    const world = aQuietWorld(30)
    const ofCapstor = world.resources.filter((row) => row.offering_slug === "capstor")
    const [removing = {}, updating = {}, pending = {}] = ofCapstor
    expect(ofCapstor.length).toBeGreaterThan(10)
    const proxy = await aProxy({ world, environment: { CACHE_EMPTY_GUARD: "1h" } })
    const disk = aDisk()
    const reports: Array<string> = []
    const around: Around = {
      disk,
      report: async (url) => void reports.push(url),
      rejects: () => false,
      reportsOptions: false,
      reportsPaths: false,
      failures: new Map(),
    }
    const cycle = async () => {
      const { json } = await proxy.get("/api/storage-resources/?page_size=500", noCache)
      await actOn(json.resources, around, () => false)
      return json.resources
    }
    await cycle()
    disk.moveToTrash(pathOf(pending))
    disk.trash.clear()
    const execute = (row: WaldurRecord, state: string, type: PlacedOrder["type"], limits: WaldurRecord = {}): void => {
      const uuid = String(row.uuid).replace(/^./, "e")
      placeOrder(world, row, { uuid, type, state: "executing", limits, attributes: {} })
      row.state = state
    }
    execute(removing, "Terminating", "Terminate")
    execute(updating, "Updating", "Update", { storage: 99 })
    execute(pending, "Creating", "Create")
    // The proxy has read them, and no provisioner has acted on them.
    await proxy.get("/api/storage-resources/?page_size=500", noCache)
    const rows = world.resources
    world.resources = rows.filter((row) => row.offering_slug !== "capstor")
    const before = [...disk.directories]
    const kept = await cycle()
    const statusOf = (row: WaldurRecord) => kept.find(({ itemId }: Any) => itemId === itemIdOf(row))?.status
    expect([removing, updating, pending].map(statusOf)).toEqual([undefined, "updating", "pending"])
    expect([reports, [...disk.directories]]).toEqual([[], before])
    world.resources = rows
    await cycle()
    expect(reports).toHaveLength(3)
    expect(disk.pathOf(itemIdOf(removing))).toBeUndefined()
    expect(disk.directories.get(pathOf(updating))?.quotas).toEqual(orderedQuotas(99))
    expect(disk.pathOf(itemIdOf(pending))).toBe(pathOf(pending))
  })
})

import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import {
  type BuiltPart,
  buildHierarchy,
  type CustomerList,
  type DecodedResources,
  decodeResources,
  type Hierarchy,
  HierarchyBuilder,
  type HierarchyFrame,
  type ProjectGid,
  type TreePart,
} from "../src/index.ts"
import { runAtOnce } from "../src/tree/pass.ts"
import { anOrder, aResource, dashedNumber, type Row, uuidNumber } from "./a-resource.ts"
import { gidsOf, listedCustomers, settingsWith } from "./a-tree.ts"
import { anyRow, surrounding } from "./hostile-rows.ts"

// Many runs take long on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

/** The inputs of a tree at one time. */
interface World {
  readonly rows: ReadonlyArray<unknown>
  readonly customers: ReadonlyMap<string, CustomerList>
  readonly gids: ReadonlyMap<string, ProjectGid>
}

const merged = (all: ReadonlyArray<DecodedResources>): DecodedResources => ({
  resources: all.flatMap(({ resources }) => resources),
  skipped: all.flatMap(({ skipped }) => skipped),
  malformed: all.flatMap(({ malformed }) => malformed),
})

/** A tree that follows a world, and how many parts its last update built. */
const follower = (frame: HierarchyFrame) => {
  const builder = new HierarchyBuilder(frame)
  let known = new Map<unknown, DecodedResources>()
  const built = new Map<TreePart, BuiltPart>()
  return {
    follow: ({ rows, customers, gids }: World) => {
      const now = new Map(rows.map((row) => [row, known.get(row) ?? decodeResources([row])]))
      const change = {
        customers,
        gids,
        removed: merged([...known].filter(([row]) => !now.has(row)).map(([, one]) => one)),
        added: merged([...now].filter(([row]) => !known.has(row)).map(([, one]) => one)),
      }
      known = now
      let parts = 0
      const { passes, end } = builder.update(change, (part) => {
        parts += 1
        built.set(part.part, part)
      })
      runAtOnce(passes)
      const { skipped, warnings, protects } = end()
      const entries = [...builder.parts()].flatMap((part) => built.get(part)?.entries ?? [])
      return { tree: { entries, skipped, warnings } satisfies Hierarchy, protects, parts }
    },
  }
}

/** Wraps rows, so that two rows are never the same value. */
const asRow = (row: unknown) => (typeof row === "object" && row !== null ? { ...row } : [row])
const anyRows = (most: number) => fc.array(anyRow.map(asRow), { minLength: 1, maxLength: most })

/** Worlds that have little in common. */
const unrelatedWorlds: fc.Arbitrary<ReadonlyArray<World>> = fc
  .tuple(anyRows(30), fc.array(surrounding, { minLength: 2, maxLength: 6 }))
  .chain(([pool, arounds]) =>
    fc.tuple(...arounds.map((around) => fc.subarray(pool).map((rows): World => ({ ...around, rows })))),
  )

/** Takes an entry of a map from another map, where it may be missing. */
const withEntryOf = <A>(map: ReadonlyMap<string, A>, other: ReadonlyMap<string, A>, at: number) => {
  const keys = [...new Set([...map.keys(), ...other.keys()])]
  const key = keys[at % keys.length]
  if (key === undefined) return map
  const found = other.get(key)
  const rest = [...map].filter(([one]) => one !== key)
  return new Map(found === undefined ? rest : [...rest, [key, found]])
}

/** Worlds that differ in one row, GID or list of customers each. */
const worldsWithOneChange: fc.Arbitrary<ReadonlyArray<World>> = fc
  .tuple(
    anyRows(30),
    surrounding,
    surrounding,
    fc.array(
      fc.tuple(fc.constantFrom("row", "row", "row", "gid", "list"), fc.nat(999), anyRow.map(asRow), fc.boolean()),
      {
        minLength: 2,
        maxLength: 12,
      },
    ),
  )
  .map(([rows, first, other, changes]) => {
    const worlds: Array<World> = [{ ...first, rows }]
    for (const [what, at, row, isNew] of changes) {
      const world = worlds.at(-1) as World
      const { customers, gids } = world
      const place = at % (world.rows.length + 1)
      if (what === "gid") worlds.push({ ...world, gids: withEntryOf(gids, isNew ? other.gids : first.gids, at) })
      else if (what === "list") {
        worlds.push({ ...world, customers: withEntryOf(customers, isNew ? other.customers : first.customers, at) })
      } else worlds.push({ ...world, rows: world.rows.toSpliced(place, 1, ...(isNew ? [row] : [])) })
    }
    return worlds
  })

/** Worlds of resources in nested directories, of which one is added, deleted, moved or begins to be removed each time. */
const nestedDirectories: fc.Arbitrary<ReadonlyArray<World>> = fc
  .array(
    fc.record({
      uuid: fc.integer({ min: 1, max: 8 }).map(uuidNumber),
      backend_id: fc.constantFrom(
        "/fs/a",
        "/fs/a/b",
        "/fs/a/b/c",
        "/fs/a/b/c/d",
        "/fs/a/bc",
        "/capstor/store/cscs/university-physics",
        "",
      ),
      project_slug: fc.constantFrom("climate-sim", "a/b"),
      customer_slug: fc.constantFrom("university-physics", "biology"),
      state: fc.constantFrom("OK", "Terminated", "Terminated", "Terminating"),
      isThere: fc.constantFrom(true, true, true, false),
    }),
    { minLength: 2, maxLength: 14 },
  )
  .map((changes) => {
    const around = { customers: listedCustomers, gids: gidsOf([aResource(), aResource({ project_slug: "a/b" })]) }
    const worlds: Array<World> = [{ ...around, rows: [] }]
    for (const { isThere, ...changed } of changes) {
      const order_in_progress =
        changed.state === "Terminating" ? anOrder({ type: "Terminate", state: "executing" }) : null
      const others = (worlds.at(-1)?.rows ?? []).filter((row) => (row as Row).uuid !== changed.uuid)
      worlds.push({ ...around, rows: isThere ? [...others, aResource({ ...changed, order_in_progress })] : others })
    }
    return worlds
  })

/** Names whose next character sorts before or after `/`, or that begin another name. */
const directoryName = fc.constantFrom("a", "a-b", "a.b", "a.c", "ab", "b")
const crowdedPath = fc.array(directoryName, { minLength: 1, maxLength: 4 }).map((names) => `/fs/${names.join("/")}`)
const crowdedPaths = fc.oneof(
  { weight: 6, arbitrary: crowdedPath },
  { weight: 3, arbitrary: fc.constant("") },
  crowdedPath.map((path) => ` ${path}/../a `),
  fc.constantFrom("/capstor/archive/cscs/a/a", "/fs/a/cscs/a/a", "/fs/a/cscs", "/capstor/a/0/cscs/a/b"),
  fc.constantFrom(
    "/capstor/store/cscs",
    "/capstor/store/cscs/a",
    "/capstor/store/cscs/a/a",
    "/capstor/store/cscs/a/a/b",
  ),
)

/** A record that collides with others: in its uuid, directory, project, or in names of which some are invalid. */
const crowdedRow: fc.Arbitrary<unknown> = fc
  .record({
    uuid: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 9 }).map(uuidNumber) }, fc.constant("no uuid")),
    slug: fc.oneof({ weight: 9, arbitrary: fc.constant("r") }, fc.constant(5)),
    created: fc.constantFrom("2025-01-01T00:00:00Z", "2024-01-01T00:00:00Z", null),
    offering: fc.oneof(
      { weight: 6, arbitrary: fc.constant({ offering_slug: "capstor", offering_uuid: uuidNumber(0xa0) }) },
      fc.constantFrom(
        { offering_slug: "capstor", offering_uuid: uuidNumber(0xa1) },
        { offering_slug: "vast", offering_uuid: uuidNumber(0xa1) },
        { offering_slug: "foreign", offering_uuid: uuidNumber(0xa2) },
      ),
    ),
    provider_slug: fc.oneof({ weight: 9, arbitrary: fc.constant("cscs") }, fc.constantFrom("..", "psi")),
    customer: fc.constantFrom(["a", 0xc0], ["a-b", 0xc1], ["a", 0xc1], ["a", undefined]),
    project_slug: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom("a", "a-b", "b") },
      fc.constantFrom("", "../b", "x y"),
    ),
    project_uuid: fc.constantFrom(uuidNumber(0xd0), uuidNumber(0xd1)),
    backend_id: crowdedPaths,
    storage_data_type: fc.oneof({ weight: 9, arbitrary: fc.constant("store") }, fc.constantFrom("users", 5)),
    options: fc.oneof(
      { weight: 5, arbitrary: fc.constant({}) },
      fc.constantFrom(
        { storage_data_type: "archive" },
        { folder: { storage_data_type: "../fs/a" } },
        Object.fromEntries(Array.from({ length: 9 }, (_, at) => [at, { storage_data_type: `a/${at}` }])),
      ),
    ),
    life: fc.constantFrom(
      ["OK", null],
      ["Erred", null],
      ["Terminated", null],
      ["Terminated", null],
      ["Terminating", null],
      ["Terminating", anOrder({ type: "Terminate", state: "executing" })],
      ["Terminating", anOrder({ type: "Terminate", state: "executing" })],
      ["Terminating", anOrder({ type: "Terminate", state: "pending-consumer" })],
      ["Creating", anOrder({ type: "Create", state: "pending-consumer" })],
      [5, null],
    ),
  })
  .map(({ offering, customer: [customer_slug, customer], storage_data_type, life: [state, order], ...row }) =>
    aResource({
      ...row,
      ...offering,
      customer_slug,
      customer_uuid: typeof customer === "number" ? uuidNumber(customer) : null,
      attributes: { storage_data_type, permissions: "775" },
      state,
      order_in_progress: order,
    }),
  )

const crowdedLookups = fc.record({
  customers: fc.dictionary(
    fc.constantFrom(dashedNumber(0xa0), dashedNumber(0xa1)),
    fc.oneof(
      fc.constant("refused" as const),
      fc.array(
        fc.record({
          uuid: fc.constantFrom(uuidNumber(0xc0), uuidNumber(0xc1)),
          slug: fc.constantFrom("a", "a-b"),
          name: fc.constantFrom("One", "Other"),
        }),
        { maxLength: 3 },
      ),
    ),
  ),
  gids: fc.dictionary(
    fc.constantFrom("a", "a-b", "b"),
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ status: fc.constant("known" as const), gid: fc.constantFrom(2001, 2002, 5) }),
      },
      fc.record({ status: fc.constantFrom("unknown" as const, "unavailable" as const), reason: fc.constant("why") }),
    ),
  ),
})

/** Worlds of few directories in which several rows and lookups change at once. */
const crowded: fc.Arbitrary<ReadonlyArray<World>> = fc
  .array(
    fc.record({
      come: fc.array(crowdedRow, { maxLength: 6 }),
      go: fc.array(fc.nat(30), { maxLength: 5 }),
      lookups: fc.option(crowdedLookups, { freq: 2 }),
    }),
    { minLength: 3, maxLength: 8 },
  )
  .map((steps) => {
    const worlds: Array<World> = []
    let around: Omit<World, "rows"> = { customers: new Map(), gids: gidsOf([aResource({ project_slug: "a" })]) }
    let rows: ReadonlyArray<unknown> = []
    for (const { come, go, lookups } of steps) {
      if (lookups !== null) {
        const { customers, gids } = lookups
        around = { customers: new Map(Object.entries(customers)), gids: new Map(Object.entries(gids)) }
      }
      const gone = new Set(go)
      rows = [...rows.filter((_, at) => !gone.has(at)), ...come]
      worlds.push({ ...around, rows })
    }
    return worlds
  })

const crowdedFrame: fc.Arbitrary<HierarchyFrame> = fc.record(
  {
    settings: fc.constantFrom(settingsWith(), settingsWith({ mountRoots: ["/fs/a", "/capstor"] })),
    offerings: fc.constantFrom(
      new Map([
        ["capstor", new Set([dashedNumber(0xa0)])],
        ["vast", new Set([dashedNumber(0xa1)])],
      ]),
      new Map([["capstor", new Set([dashedNumber(0xa0), dashedNumber(0xa1)])]]),
    ),
    // In a protected path, `*` is any name.
    protectedPaths: fc.array(
      fc.record({ path: fc.oneof(crowdedPath, fc.constant("/fs/*/a")), by: fc.constant("a guard") }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ["settings"] },
)

const sameTree = (one: Hierarchy, other: Hierarchy) => {
  expect(one.entries).toEqual(other.entries)
  expect(one.skipped).toEqual(other.skipped)
  expect(one.warnings).toEqual(other.warnings)
}

/** Follows the worlds, and compares with trees that are built at once. */
const followsAll = (worlds: ReadonlyArray<World>, frame: HierarchyFrame) => {
  const { follow } = follower(frame)
  for (const world of worlds) {
    const { rows, customers, gids } = world
    sameTree(follow(world).tree, buildHierarchy({ ...frame, customers, gids, decoded: decodeResources(rows) }))
  }
}
const numRuns = Number(process.env.RUNS ?? 100)

describe("a tree that is kept up to date", () => {
  it("equals the tree that is built at once from the same rows and lookups, after any changes", () => {
    fc.assert(
      fc.property(fc.oneof(unrelatedWorlds, worldsWithOneChange), surrounding, (worlds, around) => {
        const { settings, offerings, protectedPaths } = around
        followsAll(worlds, { settings, ...(offerings && { offerings }), ...(protectedPaths && { protectedPaths }) })
      }),
      { numRuns },
    )
  })

  it("equals the tree that is built at once when directories that contain others are claimed, freed and removed", () => {
    fc.assert(
      fc.property(nestedDirectories, (worlds) => followsAll(worlds, { settings: settingsWith() })),
      { numRuns: 10 * numRuns },
    )
  })

  it("holds a removal back for the same live directory as the tree that is built at once, whatever directories were there before", () => {
    const at = (number: number, backend_id: string, state = "OK") =>
      aResource({ uuid: uuidNumber(number), backend_id, state })
    const rows = [at(1, "/fs/p", "Terminated"), at(2, "/fs/p/a-b"), at(3, "/fs/p/a/z"), at(4, "/fs/p/a/y")]
    const around = { customers: listedCustomers, gids: gidsOf(rows) }
    followsAll(
      [
        { ...around, rows },
        { ...around, rows: rows.slice(0, 3) },
        { ...around, rows: [at(1, "/fs/p", "Terminated"), ...rows.slice(1, 3)] },
      ],
      { settings: settingsWith() },
    )
  })

  it("equals the tree that is built at once, and protects the same paths, when several records that collide change at once", () => {
    fc.assert(
      fc.property(crowded, crowdedFrame, fc.array(crowdedPath, { maxLength: 5 }), (worlds, frame, paths) => {
        const { follow } = follower(frame)
        for (const world of worlds) {
          const [kept, built] = [follow(world), follower(frame).follow(world)]
          sameTree(kept.tree, built.tree)
          for (const path of paths) expect(kept.protects(path)).toBe(built.protects(path))
        }
      }),
      { numRuns: 2 * numRuns },
    )
  })

  it("builds only the part of a changed resource, its customer and its tenant", () => {
    const rows = Array.from({ length: 2000 }, (_, at) =>
      aResource({
        uuid: uuidNumber(at + 1),
        customer_slug: `customer-${at % 10}`,
        customer_uuid: uuidNumber(5000 + (at % 10)),
        project_slug: `project-${at}`,
      }),
    )
    const world = { rows, customers: listedCustomers, gids: gidsOf(rows) }
    const { follow } = follower({ settings: settingsWith() })
    expect(follow(world).parts).toBe(1 + 10 * Math.ceil(201 / 16))
    const changed = { ...rows[1777], limits: { storage: 77 } }
    expect(follow({ ...world, rows: rows.with(1777, changed) }).parts).toBe(3)
    expect(follow({ ...world, rows: rows.with(1777, changed) }).parts).toBe(0)
  })

  it("looks at each removal once, not once for each record with an unknown name that comes", () => {
    const rows = Array.from({ length: 300 }, (_, at) =>
      aResource({ uuid: uuidNumber(at + 1), project_slug: `project-${at}`, state: "Terminated" }),
    )
    const unknown = rows.map((row, at) => ({ ...row, uuid: uuidNumber(at + 1000), project_slug: 5, state: "OK" }))
    const world = { rows, customers: listedCustomers, gids: gidsOf(rows) }
    const { follow } = follower({ settings: settingsWith() })
    follow(world)
    const { add } = Set.prototype
    let added = 0
    Set.prototype.add = function (value) {
      added += 1
      return add.call(this, value)
    }
    try {
      follow({ ...world, rows: [...rows, ...unknown] })
    } finally {
      Set.prototype.add = add
    }
    // Not each of the 300 for each of the 300.
    expect(added).toBeLessThan(30 * rows.length)
  })
})

import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import {
  type BuiltPart,
  buildHierarchy,
  type CustomerList,
  type DecodedResources,
  decodeResources,
  type GidAnswer,
  type Hierarchy,
  HierarchyBuilder,
  type HierarchyFrame,
  type Part,
} from "../src/index.ts"
import { runAtOnce } from "../src/tree/pass.ts"
import { anOrder, aResource, type Row, uuidNumber } from "./a-resource.ts"
import { gidsOf, listedCustomers, settingsWith } from "./a-tree.ts"
import { anyRow, surrounding } from "./hostile-rows.ts"

// Many runs take long on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

/** The inputs of a tree at one time. */
interface World {
  readonly rows: ReadonlyArray<unknown>
  readonly customers: ReadonlyMap<string, CustomerList>
  readonly gids: ReadonlyMap<string, GidAnswer>
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
  const built = new Map<Part, BuiltPart>()
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

const sameTree = (one: Hierarchy, other: Hierarchy) => {
  expect(one.entries).toEqual(other.entries)
  expect(one.entries.map(({ states }) => [...states].sort())).toEqual(
    other.entries.map(({ states }) => [...states].sort()),
  )
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
const numRuns = Number(process.env.RUNS ?? 200)

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
})

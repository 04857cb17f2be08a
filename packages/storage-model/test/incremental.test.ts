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
import { anyRow, surrounding } from "./hostile-rows.ts"

// Many runs are slow on a busy machine; that is no failure.
vi.setConfig({ testTimeout: 120_000 })

/** A world as it is at one time. */
interface World {
  readonly rows: ReadonlyArray<unknown>
  readonly customers: ReadonlyMap<string, CustomerList>
  readonly gids: ReadonlyMap<string, GidAnswer>
}

const together = (all: ReadonlyArray<DecodedResources>): DecodedResources => ({
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
        removed: together([...known].filter(([row]) => !now.has(row)).map(([, one]) => one)),
        added: together([...now].filter(([row]) => !known.has(row)).map(([, one]) => one)),
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
const othersEachTime: fc.Arbitrary<ReadonlyArray<World>> = fc
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
const oneChangeEachTime: fc.Arbitrary<ReadonlyArray<World>> = fc
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

const sameTree = (one: Hierarchy, other: Hierarchy) => {
  expect(one.entries).toEqual(other.entries)
  expect(one.entries.map(({ states }) => [...states].sort())).toEqual(
    other.entries.map(({ states }) => [...states].sort()),
  )
  expect(one.skipped).toEqual(other.skipped)
  expect(one.warnings).toEqual(other.warnings)
}

describe("a tree that is kept up to date", () => {
  it("equals the tree that is built from the same rows and lookups at once, whatever changed before", () => {
    fc.assert(
      fc.property(
        fc.oneof(othersEachTime, oneChangeEachTime),
        surrounding,
        (worlds, { settings, offerings, protectedPaths }) => {
          const frame = { settings, offerings, protectedPaths } as HierarchyFrame
          const { follow } = follower(frame)
          for (const world of worlds) {
            const { tree } = follow(world)
            const { rows, customers, gids } = world
            sameTree(tree, buildHierarchy({ ...frame, customers, gids, decoded: decodeResources(rows) }))
          }
        },
      ),
      { numRuns: Number(process.env.RUNS ?? 300) },
    )
  })
})

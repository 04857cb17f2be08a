import { posix } from "node:path"
import { Result, Schema } from "effect"
import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import {
  buildHierarchy,
  dashedUuid,
  decodeResources,
  type EntryFilter,
  type Hierarchy,
  isGid,
  projectsWithoutItem,
  StorageEntry,
  selectEntries,
} from "../src/index.ts"
import { dashedNumber, type Row } from "./a-resource.ts"
import { entriesOf, resourcesOf } from "./a-tree.ts"
import { anyRow, jsonRow, malformedRow, type Surrounding, surrounding } from "./hostile-rows.ts"

// Many runs are slow on a busy machine; that is not a failure.
vi.setConfig({ testTimeout: 120_000 })

const build = (rows: ReadonlyArray<unknown>, around: Surrounding) =>
  buildHierarchy({ decoded: decodeResources(rows), ...around })

const bytesOf = ({ entries, skipped, warnings }: Hierarchy) =>
  JSON.stringify({ entries: entries.map((placed) => ({ ...placed, states: [...placed.states] })), skipped, warnings })

const jsonRows = fc.array(jsonRow, { maxLength: 24 })
const anyRows = fc.array(anyRow, { maxLength: 24 })

/** Checks `rule` against trees of rows that JSON can express. */
const always = (rule: (tree: Hierarchy, rows: ReadonlyArray<unknown>, around: Surrounding) => void, numRuns = 200) =>
  fc.assert(
    fc.property(jsonRows, surrounding, (rows, around) => rule(build(rows, around), rows, around)),
    { numRuns },
  )

const permuted = <A>(items: ReadonlyArray<A>) =>
  fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length })

const property = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key) ? (value as Row)[key] : undefined

/** All values nested in a value, itself included. */
const within = (value: unknown): ReadonlyArray<unknown> =>
  typeof value === "object" && value !== null ? [value, ...Object.values(value).flatMap(within)] : [value]

/** Normalises a path as a kernel and a person read it. Independent of the model's own implementation, as its check. */
const resolved = (text: unknown): string => {
  if (typeof text !== "string") return ""
  const plain = text.normalize("NFKC").replaceAll("%2F", "/").replaceAll("\u200b", "").trim()
  return plain.startsWith("/") ? posix.resolve(plain.replace(/\/+/g, "/")) : ""
}

/**
 * Whether a row's data may have to stay: everything but removed resources, pending creations and requested removals.
 */
const maybeLive = (row: unknown): boolean => {
  const [state, order] = [property(row, "state"), property(row, "order_in_progress")]
  const [type, orderState] = [property(order, "type"), property(order, "state")]
  if (state === "Terminated") return false
  if (state === "Creating")
    return !["pending-consumer", "pending-project", "pending-start-date"].includes(orderState as string)
  return !(
    state === "Terminating" &&
    type === "Terminate" &&
    ["pending-provider", "executing"].includes(orderState as string)
  )
}

/**
 * The possible locations of a row: its backend_id if that is a clean path, else everything that it may mean, and its
 * names' path, unless a storage folder, in its options or attributes, has another data type.
 */
const placesFrom = (row: unknown): ReadonlyArray<string> => {
  const byId = property(row, "backend_id")
  const read = resolved(byId)
  const names = ["offering_slug", "provider_slug", "customer_slug", "project_slug"].map((key) => property(row, key))
  const attributes = property(row, "attributes")
  const given = property(attributes, "storage_data_type") ?? ""
  const dataType = typeof given === "string" ? given.trim().toLowerCase() || "store" : undefined
  const folders = [property(row, "options"), ...Object.values(attributes ?? {})].flatMap(within)
  const isOverridden = folders.some((one) => property(one, "storage_data_type") !== undefined)
  const isNamed = [...(isOverridden ? [undefined] : names), dataType].every(
    (name) => typeof name === "string" && /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name),
  )
  const [offering, ...others] = names
  const named = isNamed ? [`/${[offering, dataType, ...others].join("/")}`] : []
  return read === byId && read.split("/").length > 2 ? [read] : [read, ...named]
}

describe("any rows", () => {
  it("never make the model throw", () => {
    fc.assert(
      fc.property(anyRows, surrounding, (rows, around) => {
        const decoded = decodeResources(rows)
        projectsWithoutItem(decoded, around.settings)
        buildHierarchy({ decoded, ...around })
      }),
      { numRuns: 500 },
    )
  })

  it("are each either served or skipped, once", () => {
    fc.assert(
      fc.property(anyRows, surrounding, (rows, around) => {
        const tree = build(rows, around)
        const served = resourcesOf(tree).map(({ itemId }) => itemId)
        expect(served.length + tree.skipped.length).toBe(rows.length)
        expect(new Set(served).size).toBe(served.length)
        const wellFormed = decodeResources(rows)
        const left = tree.skipped.filter(({ code }) => code !== "duplicate").length - wellFormed.skipped.length
        expect(served.length + left).toBe(new Set(wellFormed.resources.map(({ uuid }) => uuid)).size)
      }),
      { numRuns: 200 },
    )
  })

  it("have findings that can be written as JSON", () => {
    fc.assert(
      fc.property(anyRows, surrounding, (rows, around) => {
        const { skipped, warnings } = build(rows, around)
        for (const finding of [...skipped, ...warnings]) {
          expect(JSON.stringify(finding.found)?.length).toBeGreaterThan(0)
          expect(finding.reason.length).toBeGreaterThan(0)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe("any tree", () => {
  it("has each parent earlier than its children, in the same system and data type, and of the right kind", () => {
    always((tree, _, { settings }) => {
      const above = { tenant: undefined, customer: "tenant", project: "customer", user: "customer" } as const
      const seen: Array<StorageEntry> = []
      for (const entry of entriesOf(tree)) {
        const wanted = above[entry.target.targetType]
        if (wanted === undefined) expect(entry.parentItemId).toBeNull()
        else {
          // The parent is the nearest earlier entry of the parent's kind. A parent without a directory below the mount
          // roots has no entry.
          const parent = seen.findLast(({ target }) => target.targetType === wanted)
          if (settings.mountRoots.length === 0) {
            expect(parent?.itemId).toBe(entry.parentItemId)
            expect(parent?.storageSystem).toEqual(entry.storageSystem)
            expect(parent?.storageDataType).toEqual(entry.storageDataType)
          }
        }
        seen.push(entry)
      }
    })
  })

  it("has entries that decode with the published schema to themselves", () => {
    const decode = Schema.decodeUnknownResult(StorageEntry)
    always((tree) => {
      for (const entry of entriesOf(tree)) expect(Result.getOrThrow(decode(entry))).toEqual(entry)
    })
  })

  it("has only numbers that JSON can express", () => {
    always((tree) => {
      for (const value of within([tree.entries, tree.skipped, tree.warnings])) {
        if (typeof value === "number") expect(Number.isFinite(value)).toBe(true)
      }
      for (const entry of entriesOf(tree)) {
        for (const quota of [entry.quotas, entry.oldQuotas ?? null, entry.newQuotas ?? null].flat()) {
          expect(quota === null || quota.quota >= 0).toBe(true)
          expect(quota === null || !Object.is(quota.quota, -0)).toBe(true)
        }
      }
    })
  })

  it("has no soft quota above its hard one, whole inodes, and space", () => {
    always((tree) => {
      for (const { quotas, oldQuotas, newQuotas } of entriesOf(tree)) {
        for (const list of [quotas, oldQuotas, newQuotas]) {
          if (!list) continue
          const [softSpace = -1, hardSpace = -1, softInodes = -1, hardInodes = -1] = list.map(({ quota }) => quota)
          expect(list).toHaveLength(4)
          expect(softSpace).toBeLessThanOrEqual(hardSpace)
          expect(softInodes).toBeLessThanOrEqual(hardInodes)
          expect(hardSpace).toBeGreaterThan(0)
          expect(Number.isInteger(softInodes) && Number.isInteger(hardInodes)).toBe(true)
        }
      }
    })
  })

  it("has no mount point with an invalid component or more than 4096 bytes", () => {
    always((tree) => {
      for (const { mountPoint } of entriesOf(tree)) {
        const [root, ...components] = mountPoint.default.split("/")
        expect(root).toBe("")
        expect(components.length).toBeGreaterThan(0)
        for (const component of components) expect(component).toMatch(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/)
        expect(Buffer.byteLength(mountPoint.default)).toBeLessThanOrEqual(4096)
      }
    })
  })

  it("has octal permissions", () => {
    always((tree) => {
      for (const { permission } of entriesOf(tree)) expect(permission.value).toMatch(/^[0-7]{3,4}$/)
    })
  })

  it("has no removal at or above live data in any spelling, and none without an order", () => {
    always((tree, rows, { protectedPaths = [] }) => {
      const live = [...decodeResources(rows).resources, ...decodeResources(rows).malformed].flatMap((row) =>
        maybeLive(row) ? placesFrom(row) : [],
      )
      const kept = [...live, ...protectedPaths.map(({ path }) => resolved(path))].filter((path) => path.length > 1)
      for (const { status, itemId, mountPoint } of resourcesOf(tree)) {
        if (status !== "removing" && status !== "removed") continue
        const path = mountPoint.default
        expect(kept.filter((one) => one === path || one.startsWith(`${path}/`))).toEqual([])
        if (status === "removing") {
          const orders = rows
            .filter((row) => dashedUuid(property(row, "uuid")) === itemId)
            .map((row) => property(row, "order_in_progress"))
          expect(
            orders.some(
              (order) =>
                property(order, "type") === "Terminate" &&
                ["pending-provider", "executing"].includes(property(order, "state") as string),
            ),
          ).toBe(true)
        }
      }
    }, 2000)
  })

  it("has no path outside the mount roots, or in a system directory without mount roots", () => {
    always((tree, _, { settings }) => {
      const roots = settings.mountRoots.map((root) => resolved(root))
      for (const { mountPoint } of entriesOf(tree)) {
        const path = mountPoint.default
        if (roots.every((root) => root === "/"))
          expect(path).not.toMatch(/^\/(?:bin|boot|dev|etc|lib[^/]*|proc|root|run|sbin|sys|usr|var)(?:\/|$)/)
        else expect(roots.some((root) => root !== "/" && path.startsWith(`${root}/`))).toBe(true)
      }
    }, 1000)
  })

  it("has no tenant or customer directory from backend_id that is or lies in a resource's own", () => {
    always((tree) => {
      const taken = resourcesOf(tree).map(({ mountPoint }) => mountPoint.default)
      for (const { target, mountPoint } of entriesOf(tree)) {
        const path = mountPoint.default
        if (!["tenant", "customer"].includes(target.targetType) || /^\/(?:capstor|vast)\//.test(path)) continue
        expect(taken.filter((one) => path === one || path.startsWith(`${one}/`))).toEqual([])
      }
    }, 1000)
  })

  it("has no slug that is not a path component", () => {
    always((tree) => {
      const component = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/
      for (const { target } of entriesOf(tree)) {
        const item = target.targetItem as Row
        if (target.targetType === "tenant" || target.targetType === "customer") expect(item.key).toMatch(component)
        else if (item.email !== undefined) {
          expect(item.email).toMatch(/^user-[A-Za-z0-9_][A-Za-z0-9._-]*@example\.com$/)
          expect(property(item.primaryProject, "name")).toMatch(component)
        }
      }
    })
  })

  it("has only GIDs from the API or from backend_metadata, and none of a system group", () => {
    always((tree, rows, { gids, settings }) => {
      for (const { itemId, target } of resourcesOf(tree)) {
        const { targetType, targetItem } = target
        const gid =
          targetType === "project"
            ? property(targetItem, "unixGid")
            : property(property(targetItem, "primaryProject"), "unixGid")
        expect(isGid(gid, settings)).toBe(true)
        const sources = rows.filter((row) => dashedUuid(property(row, "uuid")) === itemId)
        const fromWaldur =
          !settings.useMockTargetItems &&
          sources.some((row) => {
            const item = property(property(row, "backend_metadata"), `${targetType}_item`)
            const itemId = dashedUuid(property(item, "itemId"))
            return JSON.stringify({ ...(item as Row), itemId }) === JSON.stringify(targetItem)
          })
        const fromApi = sources.some((row) => {
          const answer = gids.get(property(row, "project_slug") as string)
          return answer?.status === "known" && answer.gid === gid
        })
        expect(fromWaldur || fromApi).toBe(true)
      }
    })
  })

  it("needs no GID that was not looked up", () => {
    always((tree, rows, { settings }) => {
      const asked = projectsWithoutItem(decodeResources(rows), settings)
      for (const { code, found } of tree.skipped) {
        if (code === "gid-unknown" || code === "gid-unavailable") expect(asked).toContain(found)
      }
    })
  })

  it("has findings that state the resource, the field, the value and the reason", () => {
    always((tree) => {
      for (const finding of [...tree.skipped, ...tree.warnings]) {
        expect(Object.keys(finding)).toEqual(["code", "uuid", "slug", "offering_slug", "field", "found", "reason"])
        expect(finding.uuid === null || dashedUuid(finding.uuid) === finding.uuid).toBe(true)
      }
    })
  })
})

describe("an additional row", () => {
  // The name of a customer depends on all resources below it.
  const ofOthers = (tree: Hierarchy) =>
    new Map(resourcesOf(tree).map((entry) => [entry.itemId, JSON.stringify({ ...entry, parentItemId: null })]))
  const added = dashedNumber(0xfffff)

  it("changes no other entry, but may hold back its removal or name a customer that had no name", () => {
    const aRowMore = jsonRow.map((row) =>
      typeof row === "object" && row !== null && !Array.isArray(row) ? { ...row, uuid: added } : row,
    )
    fc.assert(
      fc.property(jsonRows, surrounding, aRowMore, fc.nat(24), (rows, around, row, at) => {
        const before = build(rows, around)
        const after = build(rows.toSpliced(at, 0, row), around)
        const [served, now] = [ofOthers(before), ofOthers(after)]
        const held = new Set(
          after.skipped.filter(({ code }) => code === "removal-of-live-path").map(({ uuid }) => uuid),
        )
        for (const [uuid, entry] of served) if (!held.has(uuid)) expect(now.get(uuid)).toBe(entry)
        const unnamed = new Set(
          before.skipped.filter(({ field }) => field.startsWith("customer_")).map(({ uuid }) => uuid),
        )
        for (const uuid of now.keys()) expect(uuid === added || served.has(uuid) || unnamed.has(uuid)).toBe(true)
      }),
      { numRuns: 750 },
    )
  })
})

describe("the serialised entries", () => {
  it("are the same for the same input", () => {
    always((tree, rows, around) => {
      expect(bytesOf(build(structuredClone(rows), around))).toBe(bytesOf(tree))
    })
  })

  it("are the same for any order of the rows and of the customers", () => {
    const permutation = fc.tuple(jsonRows, surrounding).chain(([rows, around]) =>
      fc.record({
        rows: fc.constant(rows),
        around: fc.constant(around),
        permutedRows: permuted(rows),
        permutedCustomers: fc
          .tuple(...Array.from(around.customers, ([offering, list]) => fc.tuple(fc.constant(offering), permuted(list))))
          .map((lists) => new Map(lists.toReversed())),
      }),
    )
    fc.assert(
      fc.property(permutation, ({ rows, around, permutedRows, permutedCustomers }) => {
        const other = build(permutedRows, { ...around, customers: permutedCustomers })
        expect(bytesOf(other)).toBe(bytesOf(build(rows, around)))
      }),
      { numRuns: 500 },
    )
  })

  it("do not change if a malformed row is added", () => {
    fc.assert(
      fc.property(jsonRows, surrounding, malformedRow, fc.nat(24), (rows, around, malformed, at) => {
        const before = build(rows, around)
        const after = build(rows.toSpliced(at, 0, malformed), around)
        const held = before.entries.length - after.entries.length
        expect(after.skipped).toHaveLength(before.skipped.length + 1 + held)
        // The row may hold back a removal, or contribute to the place of a tenant or customer, nothing else.
        const whole = (tree: Hierarchy) => entriesOf(tree).filter(({ status }) => !/^remov/.test(status))
        expect(JSON.stringify(whole(after))).toBe(JSON.stringify(whole(before)))
        const all = new Set(entriesOf(before).map((entry) => JSON.stringify(entry)))
        for (const entry of entriesOf(after)) expect(all).toContain(JSON.stringify(entry))
      }),
      { numRuns: 300 },
    )
  })
})

const filter: fc.Arbitrary<EntryFilter> = fc.record(
  {
    offeringSlug: fc.constantFrom("capstor", "vast", "other"),
    state: fc.constantFrom("Creating", "OK", "Erred", "Updating", "Terminating", "Terminated", "none"),
    dataType: fc.constantFrom("store", "users", "media", "Store"),
    status: fc.constantFrom("pending", "active", "removed", "none"),
  },
  { requiredKeys: [] },
)

describe("filters", () => {
  it("commute, and keep the order", () => {
    fc.assert(
      fc.property(jsonRows, surrounding, filter, filter, (rows, around, first, second) => {
        const { entries } = build(rows, around)
        const both = selectEntries(selectEntries(entries, first), second)
        expect(selectEntries(selectEntries(entries, second), first)).toEqual(both)
        expect(both).toEqual(entries.filter((entry) => both.includes(entry)))
        expect(selectEntries(both, first)).toEqual(both)
      }),
      { numRuns: 150 },
    )
  })

  it("by state never separate a resource from its parents", () => {
    fc.assert(
      fc.property(jsonRows, surrounding, fc.constantFrom("OK", "Creating", "Terminated"), (rows, any, state) => {
        const around = { ...any, settings: { ...any.settings, mountRoots: [] } }
        const selected = selectEntries(build(rows, around).entries, { state }).map(({ entry }) => entry)
        for (const [at, { parentItemId }] of selected.entries()) {
          const before = selected.slice(0, at).map(({ itemId }) => itemId)
          if (parentItemId !== null) expect(before).toContain(parentItemId)
        }
      }),
      { numRuns: 150 },
    )
  })
})

import fc from "fast-check"
import { describe, expect, it, test, vi } from "vitest"
import {
  buildHierarchy,
  dashedUuid,
  decodeResources,
  type Explained,
  explain,
  type HierarchyInput,
  nextOfEntry,
  parseLookup,
  type StorageEntry,
} from "../src/index.ts"
import { anOrder, aResource, dashedNumber, resourceId, terminating, uuidNumber } from "./a-resource.ts"
import { entryWith, gidsOf, listedCustomers, only, resourcesOf, settingsWith } from "./a-tree.ts"
import { ours, served, skipped, warned } from "./explained-sandbox.ts"
import { anyRow, jsonRow, surrounding } from "./hostile-rows.ts"
import { sandboxInput, sandboxWorld } from "./sandbox-world.ts"

vi.setConfig({ testTimeout: 120_000 })

const rowOf = (label: string) => {
  const row = sandboxWorld.cases.get(label)?.row
  if (row === undefined) throw new Error(`the sandbox has no ${label}`)
  return row
}

/** By uuid, or by slug if it has no uuid. */
const explainedCase = (label: string): Explained => {
  const { uuid, slug } = rowOf(label)
  const dashed = dashedUuid(uuid)
  return only(explain(sandboxInput, dashed === undefined ? { slug: String(slug) } : { uuid: dashed }).found)
}

describe("the sandbox's labelled resources", () => {
  test("are each in exactly one of the tables of those skipped and those served", () => {
    const labels = [...skipped, ...served].map(([label]) => label)
    expect(labels.toSorted()).toEqual([...sandboxWorld.cases.keys()].toSorted())
  })

  test.each(skipped)("include %s, skipped: %s for %s, next step %s", (label, code, field, next) => {
    const one = explainedCase(label)
    expect(one.entry).toBeNull()
    expect([one.skipped?.code, one.skipped?.field, one.next?.code]).toEqual([code, field, next])
    expect(buildHierarchy(sandboxInput).skipped).toContainEqual(one.skipped)
  })

  test.each(served.map(([label, next, ...decided]) => ({ label, next, decided })))(
    "include $label, served, next step $next",
    ({ label, next, decided }) => {
      const { entry, skipped, notes, ...rest } = explainedCase(label)
      expect([skipped, rest.next?.code]).toEqual([null, next])
      expect(entry).toEqual(buildHierarchy(sandboxInput).entries.find(({ entry }) => entry.itemId === rest.uuid)?.entry)
      const parts = decided.map(([part]) => part)
      const told = notes.filter(({ part }) => parts.includes(part))
      const values = told.map(({ part, value, from }) => [
        part,
        part === "target item" && from === "slug" ? ours : value,
        from,
      ])
      expect(values.toSorted()).toEqual(decided.toSorted())
      expectNotesOf(entry, notes)
    },
  )

  test("have no warnings but those of the table", () => {
    const found = [...sandboxWorld.cases.keys()].map((label) => [
      label,
      ...explainedCase(label).warnings.map(({ code, field }) => [code, field]),
    ])
    expect(found.filter(({ length }) => length > 1)).toEqual(warned)
  })
})

/** Each value of an entry is explained exactly once, with the value as served. */
const expectNotesOf = (entry: StorageEntry | null, notes: Explained["notes"]) => {
  const told = (part: string) => notes.filter((note) => note.part === part).map(({ value }) => value)
  const item = entry?.target.targetItem as Record<string, unknown> | undefined
  const targetType = entry?.target.targetType
  const primary = item?.primaryProject as { readonly unixGid?: unknown } | undefined
  expect(told("path")).toEqual([entry?.mountPoint.default])
  expect(told("permission")).toEqual([entry?.permission.value])
  expect(told("status")).toEqual([entry?.status])
  if (targetType === "project" || targetType === "user") {
    expect(told("data type")).toEqual([entry?.storageDataType.key])
    expect(told("target")).toEqual([targetType])
    expect(told("target item")).toEqual([item?.itemId])
    expect(told("gid")).toEqual([targetType === "user" ? primary?.unixGid : item?.unixGid])
    expect(told("uid")).toEqual(targetType === "user" ? [item?.unixUid] : [])
    const urls = Object.keys(entry ?? {}).filter((key) => key.endsWith("_url"))
    expect(told("callback URLs")).toEqual([urls.length === 0 ? expect.toBeOneOf([null, ""]) : urls.join(", ")])
    for (const [which, quotas] of [
      ["", entry?.quotas],
      ["old ", entry?.oldQuotas],
      ["new ", entry?.newQuotas],
    ] as const) {
      expect(told(`${which}quotas`)).toEqual(quotas === null ? [null] : [])
      for (const { type, enforcementType, quota } of quotas ?? []) {
        expect(told(`${which}${type} ${enforcementType}`)).toEqual([quota])
      }
    }
  } else expect(told(targetType ?? "")).toEqual([item?.name])
}

const inputOf = (rows: ReadonlyArray<unknown>, more: Partial<HierarchyInput> = {}): HierarchyInput => ({
  decoded: decodeResources(rows),
  customers: listedCustomers,
  gids: gidsOf(rows),
  settings: settingsWith(),
  ...more,
})

describe("the argument of explain", () => {
  test.each([
    ["44d1e2669fbc50bc8c11fe312cab9dd3", { uuid: resourceId }],
    ["44D1E266-9FBC-50BC-8C11-FE312CAB9DD3", { uuid: resourceId }],
    ["climate-store", { slug: "climate-store" }],
    ["/capstor/store/cscs", { path: "/capstor/store/cscs" }],
    ["/capstor/store/cscs/", { path: "/capstor/store/cscs" }],
    ["/", { path: "/" }],
  ])("%s is %j", (text, ask) => {
    expect(parseLookup(text)).toEqual(ask)
  })

  const input = inputOf([aResource()])
  const kinds = (text: string) => explain(input, parseLookup(text)).found.map(({ kind }) => kind)

  test.each([
    ["may be a resource's uuid", resourceId, ["resource"]],
    ["may be a resource's slug", "climate-store", ["resource"]],
    ["may be a project's slug", "climate-sim", ["resource"]],
    ["may be a resource's path", "/capstor/store/cscs/university-physics/climate-sim", ["resource"]],
    ["may be a customer's uuid", "ae3b26cf-e7e8-5fb1-ba5a-056af79c371f", ["customer"]],
    ["may be a customer's slug", "university-physics", ["customer"]],
    ["may be a customer's path", "/capstor/store/cscs/university-physics", ["customer"]],
    ["may be an offering's uuid", "433b52ea-daa4-5d15-8502-80ac8e2ebc8a", ["tenant"]],
    ["may be a provider's slug", "cscs", ["tenant"]],
    ["may be a tenant's path", "/capstor/store/cscs", ["tenant"]],
    ["finds nothing if nothing has that name", "nowhere", []],
  ])("%s", (_, text, found) => {
    expect(kinds(text)).toEqual(found)
  })

  it("is compared with resources, malformed rows, tenants and customers", () => {
    const { lookedAt } = explain(inputOf([aResource(), aResource({ uuid: "none" })]), { slug: "nowhere" })
    expect(lookedAt).toEqual({ resources: 1, malformed: 1, tenants: 1, customers: 1 })
  })
})

describe("a path that several resources claim", () => {
  const rows = [
    aResource({ uuid: uuidNumber(1) }),
    aResource({ uuid: uuidNumber(2), ...terminating }),
    aResource({ uuid: uuidNumber(3), slug: "too-bad", customer_uuid: 5 }),
    aResource({ uuid: uuidNumber(4), state: "Creating", order_in_progress: { state: "pending-consumer" } }),
    aResource({ uuid: uuidNumber(5), project_slug: "elsewhere" }),
  ]
  const { found } = explain(inputOf(rows), parseLookup("/capstor/store/cscs/university-physics/climate-sim"))

  it("finds each of them: served, held back, malformed, and not created yet", () => {
    expect(found.map(({ uuid, skipped }) => [uuid, skipped?.code])).toEqual([
      [dashedNumber(1), undefined],
      [dashedNumber(2), "removal-of-live-path"],
      [dashedNumber(4), "order-not-approved"],
      [dashedNumber(3), "bad-data"],
    ])
    expect(found[0]?.warnings.map(({ code }) => code)).toEqual(["shared-mount-point"])
  })
})

describe("a tenant or customer", () => {
  const explained = (label: string, level: 0 | 1) => {
    const { parents } = explainedCase(label)
    const { found } = explain(sandboxInput, { path: parents[level]?.mountPoint ?? "" })
    return found.find(({ below }) => below.some(({ uuid }) => uuid === dashedUuid(rowOf(label).uuid)))
  }

  it("lists the resources below it, skipped ones included", () => {
    const one = explained("tenant-with-bad-only", 0)
    expect(one?.below).toEqual([
      {
        uuid: dashedUuid(rowOf("tenant-with-bad-only").uuid),
        slug: rowOf("tenant-with-bad-only").slug,
        mountPoint: null,
        status: null,
        skipped: "bad-data",
      },
    ])
    expect(one?.entry?.target.targetType).toBe("tenant")
    expectNotesOf(one?.entry ?? null, one?.notes ?? [])
  })

  test.each([
    ["shared-parent-first", 1, "backend_id", /all lie in it/],
    ["tenant-parent-first", 0, "backend_id", /all lie in it/],
    ["mixed-parent-absolute", 1, /customer_slug$/, /backend_id of vast-mixed-parent-computed gives no path/],
    ["different-parent-first", 1, /customer_slug$/, /do not lie in the same directory/],
    ["tenant-parent-root", 0, /provider_slug$/, /by backend_id it would be \//],
    ["capstor-store", 0, /provider_slug$/, /gives no path/],
  ] as const)("above %s, level %i, has its directory from %s", (label, level, from, reason) => {
    const note = explained(label, level)?.notes.find(({ part }) => part === "path")
    expect(note).toMatchObject({ from: expect.stringMatching(from), reason: expect.stringMatching(reason) })
  })

  test.each([
    ["capstor-store", 1, "the offering's list of customers", "found by customer_uuid"],
    [
      "unlisted-customer",
      1,
      "customer_name",
      "not in the offering's list of customers; the name is the resource's customer_name",
    ],
    ["customer-other-name", 1, "the offering's list of customers", "found by customer_uuid"],
    ["second-provider", 0, "provider_name", "from the first resource that names its provider"],
    ["provider-name-null", 0, "provider_slug", "no resource names its provider"],
  ] as const)("above %s, level %i, has its name from %s", (label, level, from, reason) => {
    const note = explained(label, level)?.notes.find(({ part }) => part === (level === 0 ? "tenant" : "customer"))
    expect(note).toMatchObject({ from, reason })
  })

  it("that cannot be built has a reason", () => {
    const one = only(explain(inputOf([aResource({ customer_slug: "../x" })]), { slug: "../x" }).found)
    expect(one).toMatchObject({
      kind: "customer",
      entry: null,
      skipped: { code: "bad-data", field: "customer_slug" },
      next: { code: "mend-field" },
      below: [{ uuid: resourceId, skipped: "bad-data" }],
    })
  })
})

describe("the next step", () => {
  test("is to restore the HPC User API if it is unavailable", () => {
    const gids = new Map([["climate-sim", { status: "unavailable", reason: "connection refused" } as const]])
    const one = only(explain(inputOf([aResource()], { gids }), { uuid: resourceId }).found)
    expect(one).toMatchObject({ skipped: { code: "gid-unavailable" }, next: { code: "restore-hpc-user-api" } })
  })

  test("is none for a second record of one uuid, which the first represents", () => {
    const rows = [aResource(), aResource({ slug: "again" })]
    const { found } = explain(inputOf(rows), { uuid: resourceId })
    expect(found.map(({ next }) => next?.code)).toEqual(["none", "none"])
    expect(found.flatMap(({ skipped }) => skipped?.code ?? [])).toEqual(["duplicate"])
  })

  // As docs/integrators.md, "What to do": a report that overtakes Waldur's worker leaves the resource Updating or Terminating.
  test.each([
    ["Creating", /^Create the directory, then call set_state_done_url/],
    ["OK", /^Wait until it is updating or removing, /],
    ["Updating", /^Set the new quotas, then call set_state_done_url/],
    ["Terminating", /^Remove the directory, then call set_state_done_url/],
    ["Erred", /^Correct the problem and set its state with set_state_ok_url$/],
    ["Terminated", /^Nothing/],
  ])("of a resource that is %s while its order is executing is: %s", (state, what) => {
    const entry = entryWith({ state, order_in_progress: anOrder({ type: "Terminate" }) })
    expect(entry.set_state_done_url).toBeDefined()
    expect(nextOfEntry(entry, undefined).what).toMatch(what)
  })

  test("is to set the state if the entry has no URL to report its order, whatever the order is", () => {
    const order_in_progress = anOrder({ url: "https://elsewhere.example.com/api/marketplace-orders/1/" })
    const entry = entryWith({ state: "Updating", order_in_progress })
    expect(nextOfEntry(entry, undefined)).toEqual({
      code: "set-state",
      by: "provider",
      what: "Correct the problem and set its state in Waldur, since no order can be reported as done",
    })
  })
})

describe("the origin of a GID", () => {
  test("is reported as given", () => {
    const gids = new Map([["climate-sim", { status: "known", gid: 34_000, from: "mock" } as const]])
    const one = only(explain(inputOf([aResource()], { gids }), { uuid: resourceId }).found)
    expect(one.notes.find(({ part }) => part === "gid")).toMatchObject({ value: 34_000, from: "mock" })
  })
})

describe("any set of rows", () => {
  const worlds = (row: fc.Arbitrary<unknown>) => fc.tuple(fc.array(row, { maxLength: 16 }), surrounding)
  /** Checks `rule` against rows that JSON can express. */
  const always = (rule: (input: HierarchyInput) => void) =>
    fc.assert(
      fc.property(worlds(jsonRow), ([rows, around]) => rule({ decoded: decodeResources(rows), ...around })),
      { numRuns: 50 },
    )

  it("gives explanations with the tree's own entries, findings and reasons", () => {
    always((input) => {
      const tree = buildHierarchy(input)
      const uuids = new Set([...tree.entries.map(({ entry }) => entry.itemId), ...tree.skipped.map(({ uuid }) => uuid)])
      for (const uuid of uuids) {
        if (uuid === null) continue
        const { found } = explain(input, { uuid })
        const resources = found.filter(({ kind }) => kind === "resource")
        const own = <A extends { readonly uuid: string | null }>(all: ReadonlyArray<A>) =>
          all.filter((one) => one.uuid === uuid)
        const inTree = tree.entries.map(({ entry }) => entry).filter(({ itemId }) => itemId === uuid)
        expect(found.flatMap(({ entry }) => entry ?? [])).toEqual(expect.arrayContaining(inTree))
        expect(found.filter(({ entry }) => entry !== null)).toHaveLength(inTree.length)
        expect(sorted(resources.flatMap(({ skipped }) => skipped ?? []))).toEqual(sorted(own(tree.skipped)))
        expect(sorted(resources.flatMap(({ warnings }) => warnings))).toEqual(sorted(own(tree.warnings)))
        for (const { entry, notes } of found) if (entry !== null) expectNotesOf(entry, notes)
        // Compared as text, because JSON has no -0.
        const text = JSON.stringify(found)
        expect(JSON.stringify(JSON.parse(text))).toBe(text)
      }
    })
  })

  it("gives entries that are found by mount point, below the parents that they have in the tree", () => {
    always((input) => {
      const tree = buildHierarchy(input)
      for (const { entry } of tree.entries) {
        const { found } = explain(input, { path: entry.mountPoint.default })
        expect(found.map(({ entry }) => entry)).toContainEqual(entry)
      }
      for (const entry of resourcesOf(tree)) {
        const { parents } = only(explain(input, { uuid: entry.itemId }).found.filter((one) => one.entry !== null))
        // A parent without a directory below the mount roots has no entry.
        if (input.settings.mountRoots.length === 0) {
          expect(parents.map(({ kind }) => kind)).toEqual(["tenant", "customer"])
        }
        for (const { kind, itemId } of parents) if (kind === "customer") expect(itemId).toBe(entry.parentItemId)
      }
    })
  })

  it("never makes explain throw", () => {
    fc.assert(
      fc.property(worlds(anyRow), fc.string(), ([rows, around], text) => {
        const input = { decoded: decodeResources(rows), ...around }
        for (const ask of [parseLookup(text), { slug: "r-1" }, { path: "/fs/t/c/one" }]) explain(input, ask)
      }),
      { numRuns: 150 },
    )
  })
})

const sorted = <A>(findings: ReadonlyArray<A>): ReadonlyArray<A> =>
  findings.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

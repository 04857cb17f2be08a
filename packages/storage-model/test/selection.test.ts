import { describe, expect, it } from "vitest"
import { type EntryFilter, selectEntries, selectRows } from "../src/index.ts"
import { anOrder, aResource, type Row, uuidNumber } from "./a-resource.ts"
import { mountPointsOf, treeOf } from "./a-tree.ts"

const tree = treeOf(
  [
    { project_slug: "ok" },
    { project_slug: "erred", state: "Erred" },
    { project_slug: "bad", state: "Creating", attributes: { permissions: "rwx" } },
    { project_slug: "bio", customer_slug: "biology", customer_uuid: uuidNumber(9), state: "Terminated" },
    { project_slug: "ada", attributes: { storage_data_type: "users" }, state: "Updating" },
    { project_slug: "fast", offering_slug: "vast", state: null },
  ].map((changes, at) => aResource({ uuid: uuidNumber(at + 1), ...changes })),
)

const selected = (filter: EntryFilter) => mountPointsOf(selectEntries(tree.entries, filter).map(({ entry }) => entry))

const store = "/capstor/store/cscs"
const users = "/capstor/users/cscs"
const vast = "/vast/store/cscs"
const everything = [
  store,
  `${store}/biology`,
  `${store}/biology/bio`,
  `${store}/university-physics`,
  `${store}/university-physics/ok`,
  `${store}/university-physics/erred`,
  users,
  `${users}/university-physics`,
  `${users}/university-physics/ada`,
  vast,
  `${vast}/university-physics`,
  `${vast}/university-physics/fast`,
]

describe("a selection", () => {
  it.each<[EntryFilter, ReadonlyArray<string>]>([
    [{}, everything],
    [{ offeringSlug: "vast" }, everything.slice(9)],
    [{ offeringSlug: "capstor" }, everything.slice(0, 9)],
    [{ offeringSlug: "iopsstor" }, []],
    [{ offeringSlug: "Vast" }, []],
    [{ dataType: "users" }, everything.slice(6, 9)],
    [{ dataType: "Users" }, []],
    [{ dataType: "USERS" }, []],
    [{ dataType: "media" }, []],
    [{ dataType: "constructor" }, []],
    [{ status: "active" }, [`${store}/university-physics/ok`]],
    [{ status: "Active" }, []],
    [{ status: "removed" }, [`${store}/biology/bio`]],
    [
      { status: "pending" },
      [
        store,
        `${store}/biology`,
        `${store}/university-physics`,
        users,
        `${users}/university-physics`,
        ...everything.slice(9),
      ],
    ],
    [{ state: "OK" }, [store, `${store}/university-physics`, `${store}/university-physics/ok`]],
    [{ state: "Erred" }, [store, `${store}/university-physics`, `${store}/university-physics/erred`]],
    [{ state: "Terminated" }, [store, `${store}/biology`, `${store}/biology/bio`]],
    [{ state: "Updating" }, [users, `${users}/university-physics`, `${users}/university-physics/ada`]],
    [{ state: "Terminating" }, []],
    [{ state: "ok" }, []],
    // Its resource is skipped; its parents stay.
    [{ state: "Creating" }, [store, `${store}/university-physics`]],
    [{ state: "OK", status: "active" }, [`${store}/university-physics/ok`]],
    [{ state: "OK", status: "error" }, []],
    [
      { state: "Erred", offeringSlug: "capstor", dataType: "store", status: "pending" },
      [store, `${store}/university-physics`],
    ],
    [{ state: "Erred", dataType: "users" }, []],
  ])("by %j is %j", (filter, paths) => {
    expect(selected(filter)).toEqual(paths)
  })

  it.each<[string, Row, string]>([
    ["Updating", { state: "Updating", order_in_progress: anOrder({ state: "pending-consumer" }) }, "active"],
    ["Terminating", { state: "Terminating", order_in_progress: anOrder({ state: "pending-project" }) }, "active"],
  ])("by the state %s uses Waldur's state, not the provider's view", (state, changes, status) => {
    const waiting = treeOf([aResource(changes)]).entries
    expect(selectEntries(waiting, { state }).map(({ entry }) => entry.status)).toEqual(["pending", "pending", status])
    expect(selectEntries(waiting, { state: "OK" })).toEqual([])
  })

  it("keeps the parents of a removal that is held back for a live path", () => {
    const rows = [aResource(), aResource({ uuid: uuidNumber(2), state: "Terminated" })]
    const terminated = selectEntries(treeOf(rows).entries, { state: "Terminated" })
    expect(mountPointsOf(terminated.map(({ entry }) => entry))).toEqual([store, `${store}/university-physics`])
  })

  it("has no parents of a creation that is not served at all", () => {
    const rows = [aResource({ state: "Creating", order_in_progress: anOrder({ state: "pending-consumer" }) })]
    expect(selectEntries(treeOf(rows).entries, { state: "Creating" })).toEqual([])
  })
})

describe("Waldur's own rows", () => {
  const odd = [null, 5, {}, aResource({ slug: 5 })]
  const [ok, erred, users] = [
    aResource(),
    aResource({ state: "Erred", attributes: { storage_data_type: " Store " } }),
    aResource({ attributes: { storage_data_type: "users" } }),
  ]
  const waiting = aResource({ state: "Terminating", order_in_progress: anOrder({ state: "pending-consumer" }) })
  const untyped = aResource({ attributes: { storage_data_type: 5 } })

  it.each<[string, Pick<EntryFilter, "dataType" | "status">, ReadonlyArray<unknown>]>([
    ["nothing", {}, [ok, erred, users, waiting, untyped, ...odd]],
    ["data type", { dataType: "store" }, [ok, erred, waiting, untyped, ...odd]],
    ["data type", { dataType: "users" }, [users, untyped, ...odd]],
    ["data type, exactly", { dataType: "Store" }, [untyped, ...odd]],
    ["status", { status: "error" }, [erred, ...odd]],
    ["status as the provider sees it", { status: "active" }, [ok, users, waiting, untyped, ...odd]],
    ["status", { status: "removing" }, odd],
    ["both", { dataType: "users", status: "active" }, [users, untyped, ...odd]],
  ])("are selected like their entries, by %s: %j; undecidable ones stay", (_, filter, rows) => {
    expect(selectRows([ok, erred, users, waiting, untyped, ...odd], filter)).toEqual(rows)
  })

  it("are returned as they were sent", () => {
    const row = aResource({ plan: null, uuid: "44D1E2669FBC50BC8C11FE312CAB9DD3" })
    expect(selectRows([row], { status: "active" })[0]).toBe(row)
  })
})

import { describe, expect, it } from "vitest"
import type { ProjectGid } from "../src/index.ts"
import { anOrder, aResource, dashedNumber, type Row, terminating, uuidNumber } from "./a-resource.ts"
import { resourcesOf, type Surroundings, treeOf } from "./a-tree.ts"

const live = ["Creating", "OK", "Erred", "Updating", "Unheard-of"]
const going = ["Terminating", "Terminated"]

/** The fields for a state; a removal has its order. */
const inState = (state: string): Row => (state === "Terminating" ? terminating : { state })

/** Resource 1 and resource 2 on one path. */
const onOnePath = (first: Row, second: Row, around: Surroundings = {}) =>
  treeOf([aResource({ uuid: uuidNumber(1), ...first }), aResource({ uuid: uuidNumber(2), ...second })], around)

const servedIds = (...rows: Parameters<typeof onOnePath>) => resourcesOf(onOnePath(...rows)).map(({ itemId }) => itemId)

describe("two resources on one path", () => {
  it.each(live.flatMap((first) => live.map((second) => [first, second] as const)))(
    "are both served with a warning if they are %s and %s",
    (first, second) => {
      const tree = onOnePath(inState(first), inState(second))
      expect(resourcesOf(tree).map(({ itemId }) => itemId)).toEqual([dashedNumber(1), dashedNumber(2)])
      expect(tree.warnings.map(({ code, uuid, found }) => [code, uuid, found])).toEqual(
        [1, 2].map((number) => [
          "shared-mount-point",
          dashedNumber(number),
          "/capstor/store/cscs/university-physics/climate-sim",
        ]),
      )
    },
  )

  it.each(live.flatMap((first) => going.map((second) => [first, second] as const)))(
    "are served only as the live one if they are %s and %s",
    (first, second) => {
      const tree = onOnePath(inState(first), inState(second))
      expect(resourcesOf(tree).map(({ itemId }) => itemId)).toEqual([dashedNumber(1)])
      expect(tree.skipped).toEqual([
        expect.objectContaining({
          code: "removal-of-live-path",
          uuid: dashedNumber(2),
          slug: "climate-store",
          offering_slug: "capstor",
          field: "project_slug",
          reason: expect.stringContaining(dashedNumber(1)),
        }),
      ])
      expect(servedIds(inState(second), inState(first))).toEqual([dashedNumber(2)])
    },
  )

  it.each(going.flatMap((first) => going.map((second) => [first, second] as const)))(
    "are both served if they are %s and %s",
    (first, second) => {
      const tree = onOnePath(inState(first), inState(second))
      expect(resourcesOf(tree)).toHaveLength(2)
      expect(tree.skipped).toEqual([])
    },
  )

  it("are recognised if one backend_id is the other's path", () => {
    const tree = onOnePath(
      { project_slug: "other", backend_id: "/capstor/store/cscs/university-physics/climate-sim" },
      { state: "Terminated" },
    )
    expect(resourcesOf(tree).map(({ itemId }) => itemId)).toEqual([dashedNumber(1)])
    const turned = onOnePath(
      { project_slug: "other", backend_id: "/capstor/store/cscs/university-physics/climate-sim", state: "Terminated" },
      {},
    )
    expect(turned.skipped).toEqual([
      expect.objectContaining({ code: "removal-of-live-path", uuid: dashedNumber(1), field: "backend_id" }),
    ])
  })

  it("are recognised across systems, data types and customers", () => {
    const elsewhere = {
      offering_slug: "vast",
      customer_slug: "biology",
      customer_uuid: uuidNumber(9),
      attributes: { storage_data_type: "users" },
    }
    expect(servedIds({ backend_id: "/a/b" }, { backend_id: "/a/b", ...terminating, ...elsewhere })).toEqual([
      dashedNumber(1),
    ])
  })

  it("treat a removal without the consumer's approval as live", () => {
    const waiting = {
      state: "Terminating",
      order_in_progress: anOrder({ type: "Terminate", state: "pending-consumer" }),
    }
    expect(servedIds(waiting, { state: "Terminated" })).toEqual([dashedNumber(1)])
    expect(servedIds(waiting, { state: "OK" })).toEqual([dashedNumber(1), dashedNumber(2)])
  })

  it("ignore a creation without the consumer's approval", () => {
    const unborn = { state: "Creating", order_in_progress: anOrder({ type: "Create", state: "pending-consumer" }) }
    expect(servedIds(unborn, { state: "Terminated" })).toEqual([dashedNumber(2)])
  })

  it("are not those on neighbouring paths", () => {
    const tree = onOnePath({ backend_id: "/a/b" }, { backend_id: "/a/b/c", state: "Terminated" })
    expect(resourcesOf(tree)).toHaveLength(2)
    expect(tree.warnings.map(({ code }) => code)).toEqual(["nested-mount-point"])
  })
})

describe("a live resource that is itself skipped protects its path", () => {
  const gone = { state: "Terminated", project_slug: "gone", backend_id: "/fs/t/c/live" }

  it.each<[string, ProjectGid | undefined]>([
    ["unknown", { status: "unknown", reason: "not in the answer" }],
    ["unavailable", { status: "unavailable", reason: "timed out" }],
    ["never asked for", undefined],
  ])("if its GID is %s", (_, answer) => {
    const gids = new Map<string, ProjectGid>([["gone", { status: "known", gid: 31_001 }]])
    if (answer !== undefined) gids.set("live", answer)
    const tree = onOnePath({ project_slug: "live", backend_id: "/fs/t/c/live" }, gone, { gids })
    expect(resourcesOf(tree)).toEqual([])
    expect(tree.skipped.map(({ uuid, code }) => [uuid, code])).toEqual([
      [dashedNumber(1), answer?.status === "unknown" ? "gid-unknown" : "gid-unavailable"],
      [dashedNumber(2), "removal-of-live-path"],
    ])
  })

  it.each<[string, Row]>([
    ["permissions", { attributes: { permissions: "rwx" } }],
    ["project name", { project_name: null }],
    ["customer slug", { customer_slug: ".." }],
    ["data type", { attributes: { storage_data_type: 5 } }],
    ["data type's characters", { attributes: { storage_data_type: "a b" } }],
    ["provider slug", { provider_slug: ".." }],
    ["slug", { slug: "" }],
    ["uuid", { uuid: "no uuid" }],
    ["attributes", { attributes: [] }],
    ["creation date", { created: 5 }],
    ["missing project slug", { project_slug: undefined }],
  ])("if its %s is bad", (_, bad) => {
    const tree = onOnePath({ project_slug: "live", backend_id: "/fs/t/c/live", ...bad }, gone)
    expect(resourcesOf(tree)).toEqual([])
    expect(tree.skipped.map(({ code }) => code).toSorted()).toEqual(["bad-data", "removal-of-live-path"])
  })

  it("if it has no backend_id and its row cannot be decoded", () => {
    const tree = onOnePath({ slug: "" }, { state: "Terminated" })
    expect(tree.skipped.map(({ code }) => code).toSorted()).toEqual(["bad-data", "removal-of-live-path"])
  })

  it.each<[string, Row]>([
    ["is going itself", terminating],
    ["is not ordered yet", { state: "Creating", order_in_progress: anOrder({ state: "pending-consumer" }) }],
    ["has another path", { backend_id: "/fs/t/c/other" }],
  ])("but not if its row cannot be decoded and it %s", (_, change) => {
    const tree = onOnePath({ slug: "", backend_id: "/fs/t/c/live", ...change }, gone)
    expect(resourcesOf(tree).map(({ itemId }) => itemId)).toEqual([dashedNumber(2)])
  })
})

describe("a removal above a live path", () => {
  const inside = { project_slug: "inside", backend_id: "/fs/t/c/project" }

  it.each(["/fs/t/c", "/fs/t"])("at %s is skipped, because it would remove the live data", (backend_id) => {
    const tree = onOnePath(inside, { ...terminating, backend_id })
    expect(resourcesOf(tree).map(({ itemId }) => itemId)).toEqual([dashedNumber(1)])
    expect(tree.skipped).toEqual([
      expect.objectContaining({
        code: "removal-of-live-path",
        uuid: dashedNumber(2),
        field: "backend_id",
        found: backend_id,
        reason: "holds the mount point /fs/t/c/project, which is live",
      }),
    ])
  })

  it.each(["/fs/t/c/project/below", "/fs/t/c/project2", "/fs/t/c/pro", "/fs/t2/c"])(
    "at %s is not above it",
    (backend_id) => {
      expect(resourcesOf(onOnePath(inside, { state: "Terminated", backend_id }))).toHaveLength(2)
    },
  )

  it("is served if everything below is being removed too", () => {
    const tree = onOnePath({ ...inside, state: "Terminated" }, { state: "Terminated", backend_id: "/fs/t/c" })
    expect(resourcesOf(tree)).toHaveLength(2)
  })
})

describe("many resources on one path", () => {
  it("are reported with one other and their number", () => {
    const rows = Array.from({ length: 500 }, (_, index) => aResource({ uuid: uuidNumber(index + 1) }))
    const { warnings } = treeOf(rows)
    expect(warnings).toHaveLength(500)
    expect(warnings[0]?.reason).toContain(`${dashedNumber(2)} and others (500 in all)`)
    expect(warnings[7]?.reason).toContain(`${dashedNumber(1)} and others (500 in all)`)
  })
})

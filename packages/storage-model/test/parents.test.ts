import { describe, expect, it } from "vitest"
import { selectEntries } from "../src/index.ts"
import { aResource, type Row, uuidNumber } from "./a-resource.ts"
import { mountPointsOf, treeOf } from "./a-tree.ts"

const tenantDefault = "/capstor/store/cscs"
const physicsDefault = "/capstor/store/cscs/university-physics"

const rowsOf = (...changes: ReadonlyArray<Row>) =>
  changes.map((change, at) => aResource({ uuid: uuidNumber(at + 1), project_slug: `project-${at + 1}`, ...change }))

const parentsOf = (...changes: ReadonlyArray<Row>) =>
  mountPointsOf(
    treeOf(rowsOf(...changes))
      .entries.map(({ entry }) => entry)
      .filter(({ target }) => target.targetType === "tenant" || target.targetType === "customer"),
  )

describe("tenants and customers", () => {
  it("take the parent directories of the only path below them", () => {
    expect(parentsOf({ backend_id: "/fs/tenant/customer/project" })).toEqual(["/fs/tenant", "/fs/tenant/customer"])
  })

  it("take the parent directories if all paths below them agree", () => {
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, { backend_id: "/fs/t/c/two" })).toEqual(["/fs/t", "/fs/t/c"])
  })

  it("keep their own directories if no resource has a path", () => {
    expect(parentsOf({}, { backend_id: "relative/path" })).toEqual([tenantDefault, physicsDefault])
  })

  it.each(["", "relative/path", "/one", "/a/../b"])(
    "keep their own directories if one resource has %j",
    (backend_id) => {
      expect(parentsOf({ backend_id: "/fs/t/c/one" }, { backend_id })).toEqual([tenantDefault, physicsDefault])
    },
  )

  it("keep their own directories if the paths disagree", () => {
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, { backend_id: "/fs/u/d/two" })).toEqual([
      tenantDefault,
      physicsDefault,
    ])
  })

  it("take the tenant's directory only, if the paths agree on that only", () => {
    const other = { customer_slug: "biology", customer_uuid: uuidNumber(99) }
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, { backend_id: "/fs/t/d/two", ...other })).toEqual([
      "/fs/t",
      "/fs/t/d",
      "/fs/t/c",
    ])
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, { backend_id: "/fs/t/d/two" })).toEqual(["/fs/t", physicsDefault])
  })

  it("take the customer's directory only, if the paths agree on that only", () => {
    const other = { customer_slug: "biology", customer_uuid: uuidNumber(99) }
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, { ...other })).toEqual([
      tenantDefault,
      "/capstor/store/cscs/biology",
      "/fs/t/c",
    ])
  })

  it("never take / as a directory", () => {
    expect(parentsOf({ backend_id: "/a/b" })).toEqual([tenantDefault, "/a"])
    expect(parentsOf({ backend_id: "/a/b/c" })).toEqual(["/a", "/a/b"])
  })

  it("are decided separately for each data type", () => {
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, { attributes: { storage_data_type: "users" } })).toEqual([
      "/fs/t",
      "/fs/t/c",
      "/capstor/users/cscs",
      "/capstor/users/cscs/university-physics",
    ])
  })

  it.each<[string, Row]>([
    ["permissions that are bad", { attributes: { permissions: "rwx" } }],
    ["a project slug that is not a component", { project_slug: ".." }],
    ["no project name", { project_name: null }],
  ])("consider a resource without a path that is skipped for %s", (_, bad) => {
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, bad)).toEqual([tenantDefault, physicsDefault])
  })

  it("consider a path that is skipped for its permissions", () => {
    expect(
      parentsOf({ backend_id: "/fs/t/c/one" }, { backend_id: "/fs/u/d/two", attributes: { permissions: "rwx" } }),
    ).toEqual([tenantDefault, physicsDefault])
    expect(parentsOf({ backend_id: "/fs/t/c/one", attributes: { permissions: "rwx" } })).toEqual(["/fs/t", "/fs/t/c"])
  })

  it("consider a path that is skipped for its GID", () => {
    const gids = new Map([["project-1", { status: "known", gid: 31_001 }] as const])
    const tree = treeOf(rowsOf({ backend_id: "/fs/t/c/one" }, { backend_id: "/fs/u/d/two" }), { gids })
    expect(mountPointsOf(tree.entries.map(({ entry }) => entry))).toEqual([
      tenantDefault,
      physicsDefault,
      "/fs/t/c/one",
    ])
  })

  it("treat a path that is skipped for the mount roots as none", () => {
    const rows = rowsOf({ backend_id: "/fs/t/c/one" }, { backend_id: "/other/t/c/two" })
    expect(
      mountPointsOf(treeOf(rows, { settings: { mountRoots: ["/fs"] } }).entries.map(({ entry }) => entry)),
    ).toEqual(["/fs/t/c/one"])
  })

  it("consider resources that are removed or have erred", () => {
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, { state: "Terminated" })).toEqual([tenantDefault, physicsDefault])
    expect(parentsOf({ backend_id: "/fs/t/c/one" }, { state: "Erred" })).toEqual([tenantDefault, physicsDefault])
  })

  it("are decided over the whole tree, before the state filter", () => {
    const tree = treeOf(rowsOf({ backend_id: "/fs/t/c/one" }, { state: "Erred" }))
    expect(mountPointsOf(selectEntries(tree.entries, { state: "OK" }).map(({ entry }) => entry))).toEqual([
      tenantDefault,
      physicsDefault,
      "/fs/t/c/one",
    ])
  })

  describe("never take a foreign directory:", () => {
    const entriesBelow = (mountRoots: ReadonlyArray<string>, ...changes: ReadonlyArray<Row>) => {
      const tree = treeOf(rowsOf(...changes), { settings: { mountRoots } })
      return {
        paths: mountPointsOf(tree.entries.map(({ entry }) => entry)),
        warnings: tree.warnings.map(({ code, field, found }) => [code, field, found]),
      }
    }

    it("none above a mount root, nor the root itself", () => {
      const { paths, warnings } = entriesBelow(["/mnt/fs1/data"], { backend_id: "/mnt/fs1/data/one" })
      expect(paths).toEqual(["/mnt/fs1/data/one"])
      expect(warnings).toEqual([
        ["ignored-value", "backend_id", "/mnt/fs1"],
        ["ignored-value", "backend_id", "/mnt/fs1/data"],
      ])
    })

    it("but that of the names, if it is below a mount root", () => {
      expect(entriesBelow(["/mnt/fs1/data", "/capstor"], { backend_id: "/mnt/fs1/data/one" })).toEqual({
        paths: [tenantDefault, physicsDefault, "/mnt/fs1/data/one"],
        warnings: [
          ["ignored-value", "backend_id", "/mnt/fs1"],
          ["ignored-value", "backend_id", "/mnt/fs1/data"],
        ],
      })
    })

    it("but the customer's below a mount root, even if the tenant's above it is not", () => {
      const { paths } = entriesBelow(["/mnt/fs1"], { backend_id: "/mnt/fs1/c/one" })
      expect(paths).toEqual(["/mnt/fs1/c", "/mnt/fs1/c/one"])
    })

    it("no system directory", () => {
      const { paths } = entriesBelow([], { backend_id: "/srv/c/one" })
      expect(paths).toEqual(["/srv", "/srv/c", "/srv/c/one"])
      expect(entriesBelow(["/var/fs"], { backend_id: "/var/fs/one" }).paths).toEqual(["/var/fs/one"])
    })

    const biology = { customer_slug: "biology", customer_uuid: uuidNumber(99), project_slug: "cells" }
    it.each<[string, Row]>([
      ["is", { backend_id: "/fs/t/c/one/stolen" }],
      ["lies in", { backend_id: "/fs/t/c/one/deeper/stolen" }],
    ])("none that %s another customer's project", (_, thief) => {
      const { paths, warnings } = entriesBelow([], { backend_id: "/fs/t/c/one" }, { ...biology, ...thief })
      expect(paths).not.toContain("/fs/t/c/one/deeper")
      expect(paths.filter((path) => path === "/fs/t/c/one")).toHaveLength(1)
      expect(paths).toContain("/capstor/store/cscs/biology")
      expect(warnings).toContainEqual([
        "ignored-value",
        "backend_id",
        thief.backend_id?.toString().replace(/\/stolen$/, ""),
      ])
    })

    it.each<[string, Row]>([
      ["removed", { state: "Terminated" }],
      ["skipped", { attributes: { permissions: "rwx" } }],
      ["spelt otherwise", { backend_id: "/fs/t/c/one/" }],
      ["undecodable", { slug: 5 }],
    ])("none of a project that is %s", (_, changes) => {
      const { paths } = entriesBelow(
        [],
        { backend_id: "/fs/t/c/one", ...changes },
        { ...biology, backend_id: "/fs/t/c/one/stolen" },
      )
      expect(paths).toContain("/capstor/store/cscs/biology")
    })

    it("and report it if the names' own directory is a resource's", () => {
      const { paths, warnings } = entriesBelow([], {}, { ...biology, backend_id: physicsDefault })
      expect(paths.filter((path) => path === physicsDefault)).toHaveLength(2)
      expect(warnings).toContainEqual(["shared-mount-point", "customer_slug", physicsDefault])
    })
  })
})

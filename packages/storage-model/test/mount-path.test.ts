import { describe, expect, it } from "vitest"
import { aResource, dashedNumber, type Row, resourceId, uuidNumber } from "./a-resource.ts"
import {
  entriesOf,
  entryWith,
  mountPointsOf,
  refusalWith,
  resourcesOf,
  tenantsOf,
  treeOf,
  treeWith,
  warningsWith,
} from "./a-tree.ts"

const longest = "a".repeat(255)

describe("a mount point", () => {
  it("consists of system, data type, tenant, customer and project on the three levels", () => {
    expect(mountPointsOf(entriesOf(treeWith()))).toEqual([
      "/capstor/store/cscs",
      "/capstor/store/cscs/university-physics",
      "/capstor/store/cscs/university-physics/climate-sim",
    ])
  })

  it("keeps the case of the offering's slug, but not of the data type", () => {
    const settings = { storageSystems: [{ name: "big", offeringSlug: "CapStor" }] }
    const entry = entryWith({ offering_slug: "CapStor", attributes: { storage_data_type: "Scratch" } }, { settings })
    expect(entry.mountPoint.default).toBe("/CapStor/scratch/cscs/university-physics/climate-sim")
  })

  it.each(["a", "A", "0", "_", "_a", "a.b", "a-b", "a_b", "a.", "a-", "a..b", "__proto__", "constructor", longest])(
    "may have the component %s",
    (component) => {
      expect(entryWith({ project_slug: component }).mountPoint.default).toBe(
        `/capstor/store/cscs/university-physics/${component}`,
      )
    },
  )

  const badComponents = [
    ".",
    "..",
    ".hidden",
    "-rf",
    "a/b",
    "/",
    "../../etc",
    "a b",
    " a",
    "a ",
    "a\n",
    "a\u0000",
    "a;b",
    "$(a)",
    "a\\b",
    "a*",
    "ä",
    "а", // Cyrillic
    "a\u202eb",
    "\ud800",
    "😀",
    `${longest}a`,
  ]
  it.each(
    ["provider_slug", "customer_slug", "project_slug"].flatMap((field) =>
      badComponents.map((component) => [field, component] as const),
    ),
  )("never contains the %s %j", (field, component) => {
    expect(refusalWith({ [field]: component })).toMatchObject({ code: "bad-data", uuid: resourceId, field })
  })

  it.each(badComponents.filter((component) => component.trim() === component))(
    "never contains the data type %j",
    (component) => {
      const attributes = { storage_data_type: component }
      expect(refusalWith({ attributes })).toMatchObject({ code: "bad-data", field: "attributes.storage_data_type" })
    },
  )

  it.each(["..", "a/b", ".a", "a b"])("never contains the offering slug %j, even if it is configured", (slug) => {
    const settings = { storageSystems: [{ name: "capstor", offeringSlug: slug }] }
    expect(refusalWith({ offering_slug: slug }, { settings })).toMatchObject({
      code: "bad-data",
      field: "offering_slug",
    })
  })

  it("is missing for a bad customer only, below a tenant that stays", () => {
    const tree = treeOf([
      aResource(),
      aResource({ uuid: uuidNumber(2), customer_slug: "..", project_slug: "two" }),
      aResource({ uuid: uuidNumber(3), customer_slug: "..", project_slug: "three" }),
    ])
    expect(mountPointsOf(entriesOf(tree))).toEqual([
      "/capstor/store/cscs",
      "/capstor/store/cscs/university-physics",
      "/capstor/store/cscs/university-physics/climate-sim",
    ])
    expect(tree.skipped.map(({ uuid, field }) => [uuid, field])).toEqual([
      [dashedNumber(2), "customer_slug"],
      [dashedNumber(3), "customer_slug"],
    ])
  })

  it("is missing for a bad project only, below parents that stay", () => {
    expect(mountPointsOf(entriesOf(treeWith({ project_slug: ".." })))).toEqual([
      "/capstor/store/cscs",
      "/capstor/store/cscs/university-physics",
    ])
  })
})

describe("a backend_id", () => {
  it.each([
    "/a/b",
    "/capstor/store/cscs/eth/old-name",
    "/0/_",
    `/${longest}/${longest}`,
    "/a..b/c.",
    "/__proto__/constructor",
  ])("with the path %s is the mount point", (backend_id) => {
    expect(entryWith({ backend_id }).mountPoint.default).toBe(backend_id)
  })

  it.each<[string, Row]>([
    ["project_slug", { project_slug: "not a component" }],
    ["slug", { slug: "a@b.example", attributes: { storage_data_type: "users" } }],
  ])("with a path does not replace a served %s that is not a path component", (field, changes) => {
    expect(refusalWith({ backend_id: "/a/b/c", ...changes })).toMatchObject({ code: "bad-data", field })
  })

  it.each([
    "",
    "capstor/ethz-p01/000",
    "a",
    "/",
    "//",
    "/a",
    "/a/",
    "/a/b/",
    "//a/b",
    "/a//b",
    "/a/./b",
    "/a/../b",
    "/a/..",
    "/../a",
    "/a/.b",
    "/a/-b",
    "/a/b c",
    "/a/b\n",
    "\n/a/b",
    " /a/b",
    "/a/b ",
    "/a/b\u0000",
    "/a/ä",
    "/a/\ud800",
    "/a/$b",
    "\\a\\b",
    "C:/a/b",
    "file:///a/b",
    `/a/${longest}b`,
    "66a0f1c2-0000-4000-8000-000000000000",
    5,
    true,
    null,
    undefined,
    ["/a/b"],
    { path: "/a/b" },
  ])("with %j is not a path and is ignored", (backend_id) => {
    expect(entryWith({ backend_id }).mountPoint.default).toBe("/capstor/store/cscs/university-physics/climate-sim")
  })

  it("that is almost a path causes a warning", () => {
    expect(warningsWith({ backend_id: "/a/../b" })).toEqual([
      { code: "ignored-value", field: "backend_id", found: "/a/../b" },
    ])
  })

  it("of 4096 bytes is a path", () => {
    const backend_id = `/${"b".repeat(127)}`.repeat(32)
    expect(backend_id).toHaveLength(4096)
    expect(entryWith({ backend_id }).mountPoint.default).toBe(backend_id)
  })

  it("of 4097 bytes is bad data", () => {
    const backend_id = `${`/${"b".repeat(127)}`.repeat(32)}c`
    expect(backend_id).toHaveLength(4097)
    expect(refusalWith({ backend_id })).toMatchObject({ code: "bad-data", field: "backend_id" })
  })

  it("of any length that is not a path is ignored, and never throws", () => {
    const backend_id = `${"/a".repeat(15_000_000)}!`
    expect(entryWith({ backend_id }).mountPoint.default).toBe("/capstor/store/cscs/university-physics/climate-sim")
  })

  describe("configured mount roots", () => {
    it.each([
      [["/capstor"], "/capstor/b"],
      [["/capstor/"], "/capstor/b"],
      [["/vast", "/capstor/store"], "/capstor/store/b"],
      [["/"], "/any/path"],
      [[], "/any/path"],
    ])("%j allow %s", (mountRoots, backend_id) => {
      expect(entryWith({ backend_id }, { settings: { mountRoots } }).mountPoint.default).toBe(backend_id)
    })

    it.each([
      [["/capstor"], "/capstor2/b"],
      [["/capstor"], "/vast/capstor"],
      [["/capstor/store"], "/capstor/store"],
      [["/capstor/store/"], "/capstor/store"],
      [["/capstor/store"], "/capstor/storeb/c"],
      [["/vast", "/iopsstor"], "/capstor/store/b"],
    ])("%j make %s bad data", (mountRoots, backend_id) => {
      expect(refusalWith({ backend_id }, { settings: { mountRoots } })).toMatchObject({
        code: "bad-data",
        field: "backend_id",
        found: backend_id,
      })
    })

    it.each(["", "relative/path", "/one", "/a/../b"])("forbid the directory of the names beside %j", (backend_id) => {
      const settings = { mountRoots: ["/elsewhere"] }
      expect(treeWith({ backend_id }, { settings }).entries).toEqual([])
      expect(refusalWith({ backend_id }, { settings })).toMatchObject({
        code: "bad-data",
        field: "backend_id",
        found: backend_id,
        reason: expect.stringContaining("/capstor/store/cscs/university-physics/climate-sim"),
      })
      expect(entryWith({ backend_id }, { settings: { mountRoots: ["/capstor"] } }).mountPoint.default).toBe(
        "/capstor/store/cscs/university-physics/climate-sim",
      )
    })
  })
})

describe("a system directory", () => {
  const system = "bin boot dev etc lib lib64 libx32 library proc root run sbin sys usr var".split(" ")

  it.each(system)("/%s contains no mount point, whatever its source", (directory) => {
    expect(refusalWith({ backend_id: `/${directory}/t/c/p` })).toMatchObject({ code: "bad-data", field: "backend_id" })
    const settings = { storageSystems: [{ name: "capstor", offeringSlug: directory }] }
    const tree = treeWith({ offering_slug: directory }, { settings })
    expect(tree.entries).toEqual([])
    expect(tree.skipped).toEqual([expect.objectContaining({ code: "bad-data", field: "backend_id" })])
    expect(tree.warnings.map(({ code }) => code)).toEqual(["ignored-value", "ignored-value"])
  })

  it.each(["/home/t/c/p", "/fs/etc/c/p", "/etcetera/c/p", "/Etc/c/p", "/li/b"])("is not %s", (backend_id) => {
    expect(entryWith({ backend_id }).mountPoint.default).toBe(backend_id)
  })

  it("may be a mount root", () => {
    const settings = { mountRoots: ["/var/lustre"] }
    expect(entryWith({ backend_id: "/var/lustre/p" }, { settings }).mountPoint.default).toBe("/var/lustre/p")
    expect(refusalWith({ backend_id: "/var/log/p" }, { settings })).toMatchObject({ code: "bad-data" })
  })
})

describe("mount roots that are not clean paths", () => {
  it.each([
    [["//fs//x/"], "/fs/x/p", "/fs/xy/p"],
    [[" /fs/./x/../y "], "/fs/y/p", "/fs/x/p"],
    [["/fs/x", "fs"], "/fs/x/p", "/fs/p"],
    [["/", "/fs/x"], "/fs/x/p", "/fs/p"],
    [["//", "/fs/.."], "/fs/p", "/etc/p"],
  ])("%j allow %s and not %s", (mountRoots, allowed, forbidden) => {
    expect(entryWith({ backend_id: allowed }, { settings: { mountRoots } }).mountPoint.default).toBe(allowed)
    expect(refusalWith({ backend_id: forbidden }, { settings: { mountRoots } })).toMatchObject({ code: "bad-data" })
  })

  it.each([[[""]], [["fs"]], [["", "fs"]]])("%j are not paths and allow nothing", (mountRoots) => {
    const tree = treeOf([aResource(), aResource({ uuid: uuidNumber(2), backend_id: "/fs/t/c/p" })], {
      settings: { mountRoots },
    })
    expect(tree.entries).toEqual([])
  })

  it("are summarised in the reason, however many there are", () => {
    const mountRoots = Array.from({ length: 1000 }, (_, at) => `/fs/${at}`)
    expect(refusalWith({ backend_id: "/other/p" }, { settings: { mountRoots } }).reason).toBe(
      "expected a path below /fs/0 or /fs/1 or /fs/2 or /fs/3 or /fs/4 or 995 more",
    )
  })
})

describe("the tenant and customer above a resource with bad data", () => {
  it("stay even if everything below them is skipped", () => {
    const tree = treeWith({ attributes: { permissions: "rwx" } })
    expect(resourcesOf(tree)).toEqual([])
    expect(mountPointsOf(entriesOf(tree))).toEqual(["/capstor/store/cscs", "/capstor/store/cscs/university-physics"])
    expect(tenantsOf(tree)).toHaveLength(1)
  })
})

import { describe, expect, it } from "vitest"
import { decodeResources, explain, type ProjectGid } from "../src/index.ts"
import { aResource, dashedNumber, offeringId, type Row, resourceId, uuidNumber } from "./a-resource.ts"
import {
  gidsOf,
  only,
  refusalWith,
  resourcesOf,
  type Surroundings,
  settingsWith,
  tenantsOf,
  treeOf,
  treeWith,
} from "./a-tree.ts"

const offerings = (...uuids: ReadonlyArray<string>) => new Map([["capstor", new Set(uuids)]])
const configured = (offeringUuid: string) => ({
  storageSystems: [{ name: "capstor", offeringSlug: "capstor", offeringUuid }],
})

describe("a resource of an offering with our slug", () => {
  it.each<[string, Surroundings]>([
    ["that the user does not provide", { offerings: offerings(dashedNumber(7)) }],
    ["when the user provides none", { offerings: new Map() }],
    ["that the configuration does not name", { settings: configured(dashedNumber(7)) }],
    [
      "that the configuration does not name, though the user provides it",
      {
        settings: configured(dashedNumber(7)),
        offerings: offerings(offeringId, dashedNumber(7)),
      },
    ],
  ])("%s is foreign, has no parents, and is reported with our offering", (_, around) => {
    expect(treeWith({}, around).entries).toEqual([])
    expect(refusalWith({}, around)).toMatchObject({
      code: "foreign-offering",
      uuid: resourceId,
      field: "offering_uuid",
      found: offeringId,
      reason: expect.stringContaining("another offering with the slug capstor"),
    })
  })

  it.each<[string, Surroundings]>([
    ["if our offerings are unknown", {}],
    ["if the user provides it", { offerings: offerings(offeringId) }],
    [
      "if the user provides it, in whichever form its UUID is",
      { offerings: offerings(offeringId.replaceAll("-", "").toUpperCase()) },
    ],
    [
      "if the configuration names it, which no list needs to have",
      { settings: configured(offeringId), offerings: new Map() },
    ],
    ["if the configuration names it without dashes", { settings: configured(offeringId.replaceAll("-", "")) }],
  ])("is ours %s", (_, around) => {
    expect(resourcesOf(treeWith({}, around))).toHaveLength(1)
  })

  it("protects its path even if it is foreign", () => {
    const rows = [
      aResource({ uuid: uuidNumber(1), offering_uuid: uuidNumber(9) }),
      aResource({ uuid: uuidNumber(2), state: "Terminated" }),
    ]
    const tree = treeOf(rows, { offerings: offerings(offeringId) })
    expect(tree.skipped.map(({ code }) => code)).toEqual(["foreign-offering", "removal-of-live-path"])
  })

  it("that is foreign is explained, with the next step", () => {
    const rows = [aResource()]
    const input = { decoded: decodeResources(rows), customers: new Map(), gids: gidsOf(rows), settings: settingsWith() }
    const one = only(explain({ ...input, offerings: new Map() }, { uuid: resourceId }).found)
    expect(one).toMatchObject({ skipped: { code: "foreign-offering" }, next: { code: "configure-offering" } })
  })
})

describe("two of our offerings with one slug", () => {
  it("share one tenant, with the UUID of the offering whose resource is first, in any order of the rows", () => {
    const rows = [
      aResource({ uuid: uuidNumber(1), project_slug: "a", created: "2024-01-01T00:00:00Z" }),
      aResource({ uuid: uuidNumber(2), project_slug: "b", offering_uuid: uuidNumber(7) }),
    ]
    const around = { offerings: offerings(offeringId, dashedNumber(7)) }
    const tree = treeOf(rows, around)
    expect(only(tenantsOf(tree)).itemId).toBe(offeringId)
    expect(resourcesOf(tree)).toHaveLength(2)
    expect(JSON.stringify(treeOf(rows.toReversed(), around))).toBe(JSON.stringify(tree))
  })
})

const warned = (code: string, rows: ReadonlyArray<Row>, around: Surroundings = {}) =>
  treeOf(rows, around)
    .warnings.filter((warning) => warning.code === code)
    .map(({ uuid, field, found, reason }) => [uuid, field, found, reason])

describe("a GID shared by two project slugs", () => {
  const gids = (...slugs: ReadonlyArray<string>) =>
    new Map(slugs.map((slug): [string, ProjectGid] => [slug, { status: "known", gid: 31_001 }]))
  const rows = ["a", "b"].map((project_slug, at) => aResource({ uuid: uuidNumber(at + 1), project_slug }))

  it("is served, with a warning on each resource that names the other project", () => {
    expect(resourcesOf(treeOf(rows, { gids: gids("a", "b") }))).toHaveLength(2)
    expect(warned("shared-gid", rows, { gids: gids("a", "b") })).toEqual([
      [dashedNumber(1), "project_slug", "a", "its GID 31001 is also that of b"],
      [dashedNumber(2), "project_slug", "b", "its GID 31001 is also that of a"],
    ])
  })

  it("causes a warning if the other one is in Waldur's own item, also for a user", () => {
    const backend_metadata = {
      user_item: { itemId: uuidNumber(5), unixUid: 2000, primaryProject: { unixGid: 31_001 } },
    }
    const user = aResource({
      uuid: uuidNumber(3),
      project_slug: "c",
      attributes: { storage_data_type: "users" },
      backend_metadata,
    })
    expect(warned("shared-gid", [rows[0] as Row, user], { gids: gids("a") }).map(([uuid]) => uuid)).toEqual(
      [1, 3].map(dashedNumber),
    )
  })

  it("causes a warning even if the other project's resource is skipped", () => {
    const bad = aResource({ uuid: uuidNumber(2), project_slug: "b", attributes: { permissions: "rwx" } })
    expect(warned("shared-gid", [rows[0] as Row, bad], { gids: gids("a", "b") }).map(([uuid]) => uuid)).toEqual([
      dashedNumber(1),
    ])
  })

  it("causes no warning for two resources of one project", () => {
    const same = rows.map((row) => ({ ...row, project_slug: "a" }))
    expect(warned("shared-gid", same, { gids: gids("a") })).toEqual([])
  })

  it("of many projects is reported with one of them and their number", () => {
    const many = Array.from({ length: 1000 }, (_, at) =>
      aResource({ uuid: uuidNumber(at + 1), project_slug: `p-${at}` }),
    )
    const all = warned("shared-gid", many, { gids: gids(...many.map(({ project_slug }) => String(project_slug))) })
    expect(all).toHaveLength(1000)
    expect(all[0]?.[3]).toBe("its GID 31001 is also that of p-1 and others (1000 in all)")
  })
})

describe("a project slug shared by two projects", () => {
  const of = (number: number, project_uuid: unknown, changes: Row = {}) =>
    aResource({
      uuid: uuidNumber(number),
      project_uuid,
      slug: `r-${number}`,
      backend_id: `/fs/t/c/${number}`,
      ...changes,
    })

  it("is served, and each live resource is reported with both", () => {
    const rows = [of(1, uuidNumber(0xd0)), of(2, dashedNumber(0xd1))]
    expect(resourcesOf(treeOf(rows))).toHaveLength(2)
    expect(warned("shared-project-slug", rows)).toEqual([
      [
        dashedNumber(1),
        "project_slug",
        "climate-sim",
        expect.stringMatching(`project ${dashedNumber(0xd0)} and the project ${dashedNumber(0xd1)}`),
      ],
      [
        dashedNumber(2),
        "project_slug",
        "climate-sim",
        expect.stringMatching(`project ${dashedNumber(0xd1)} and the project ${dashedNumber(0xd0)}`),
      ],
    ])
  })

  it.each<[string, ReadonlyArray<Row>]>([
    [
      "of one project, in whichever form its UUID is",
      [of(1, uuidNumber(0xd0)), of(2, dashedNumber(0xd0).toUpperCase())],
    ],
    ["without a usable project", [of(1, null), of(2, 5), of(3, "x"), of(4, undefined), of(5, uuidNumber(0xd0))]],
    ["of which one is gone", [of(1, uuidNumber(0xd0)), of(2, uuidNumber(0xd1), { state: "Terminated" })]],
  ])("causes no warning for resources %s", (_, rows) => {
    expect(warned("shared-project-slug", rows)).toEqual([])
    expect(resourcesOf(treeOf(rows))).toHaveLength(rows.length)
  })

  it("causes a warning on the served resource if the other one's record is bad", () => {
    const rows = [of(1, uuidNumber(0xd0)), of(2, uuidNumber(0xd1), { customer_slug: 5 })]
    expect(warned("shared-project-slug", rows).map(([uuid]) => uuid)).toEqual([dashedNumber(1)])
  })
})

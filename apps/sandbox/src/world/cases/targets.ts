/** Hand-written resources with odd target items, projects and GIDs. */
import type { JsonObject } from "../../json.ts"
import { type CaseSpec, spec } from "./case-spec.ts"

const ITEM = "7b1e4a52-3c0f-4d1a-9c55-1f0e2a3b4c5d"

function projectItem(
  label: string,
  about: string,
  slug: string,
  item: unknown,
  rest: Partial<CaseSpec> = {},
): CaseSpec {
  return spec(label, about, "fhnw", slug, "Applied engineering", {
    backendMetadata: { project_item: item as JsonObject },
    ...rest,
  })
}

function userItem(label: string, about: string, slug: string, item: unknown): CaseSpec {
  return spec(label, about, "supsi", slug, "Applied artificial intelligence", {
    dataType: "users",
    backendMetadata: { user_item: item as JsonObject },
  })
}

function gid(label: string, about: string, slug: string, sent: unknown): CaseSpec {
  return spec(label, about, "psi", slug, "Large facilities", { offering: "vast", gid: { sent } })
}

const PROJECT_ITEM = { itemId: ITEM, key: "turbines", name: "Turbines", status: "active", unixGid: 45001, active: true }
const USER_ITEM = {
  itemId: ITEM,
  status: "active",
  email: "ada.lovelace@supsi.example",
  unixUid: 25001,
  primaryProject: { name: "ada", unixGid: 45002, active: true },
  active: true,
}

export const TARGETS = [
  projectItem("project-item-dashed", "a valid project_item", "turbines", PROJECT_ITEM),
  projectItem("project-item-hex", "a valid project_item whose itemId is 32 hex digits", "bridges", {
    ...PROJECT_ITEM,
    itemId: ITEM.replaceAll("-", ""),
  }),
  projectItem("project-item-unknown-project", "a valid project_item of a project without a GID", "rail", PROJECT_ITEM, {
    gid: "none",
  }),
  projectItem("project-item-without-gid", "a project_item without unixGid", "drones", {
    itemId: ITEM,
    key: "drones",
    name: "Drones",
  }),
  projectItem("project-item-small-gid", "a project_item with a GID below 1000", "robots", {
    ...PROJECT_ITEM,
    unixGid: 100,
  }),
  projectItem("project-item-text-gid", "a project_item whose GID is a text", "sensors", {
    ...PROJECT_ITEM,
    unixGid: "45001",
  }),
  projectItem("project-item-bad-id", "a project_item whose itemId is not a UUID", "lasers", {
    ...PROJECT_ITEM,
    itemId: "42",
  }),
  projectItem("project-item-junk", "project_item is a text", "optics", "see the ticket"),
  projectItem("project-item-null", "project_item is null", "valves", null),
  projectItem("project-item-list", "project_item is a list", "pumps", [PROJECT_ITEM]),
  projectItem("project-item-of-users", "a project_item where the target is a user", "welding", PROJECT_ITEM, {
    dataType: "users",
  }),
  userItem("user-item-dashed", "a valid user_item", "planning", USER_ITEM),
  userItem("user-item-hex", "a valid user_item whose itemId is 32 hex digits", "routing", {
    ...USER_ITEM,
    itemId: ITEM.replaceAll("-", ""),
  }),
  userItem("user-item-without-uid", "a user_item without unixUid", "scheduling", { ...USER_ITEM, unixUid: undefined }),
  userItem("user-item-without-gid", "a user_item whose primaryProject has no GID", "packing", {
    ...USER_ITEM,
    primaryProject: { name: "ada", active: true },
  }),
  userItem("user-item-small-gid", "a user_item whose primaryProject has a GID below 1000", "cutting", {
    ...USER_ITEM,
    primaryProject: { name: "ada", unixGid: 999, active: true },
  }),
  userItem("user-item-small-uid", "a user_item with a UID of the system's", "pricing", { ...USER_ITEM, unixUid: 0 }),
  userItem("user-item-without-project", "a user_item without primaryProject", "auctions", {
    ...USER_ITEM,
    primaryProject: undefined,
  }),
  userItem("user-item-junk", "user_item is a number", "games", 7),

  spec("project-without-gid", "the HPC User API does not know the project", "psi", "neutrons", "Large facilities", {
    gid: "none",
  }),
  spec(
    "user-without-gid",
    "the HPC User API does not know the project of a user's storage",
    "psi",
    "photons",
    "Large facilities",
    {
      dataType: "users",
      gid: "none",
    },
  ),
  gid("gid-999", "a GID just below the smallest that is allowed", "pions", 999),
  gid("gid-1000", "the smallest GID that is allowed", "kaons", 1000),
  gid("gid-zero", "the GID of root", "leptons", 0),
  gid("gid-negative", "a negative GID", "mesons", -31001),
  gid("gid-text", "a GID as a text", "baryons", "31001"),
  gid("gid-fraction", "a GID with a fraction", "hadrons", 31001.5),
  gid("gid-null", "a GID that is null", "gluons", null),
  gid("gid-true", "a GID that is true", "quarks", true),
  gid("gid-missing", "an entry without unixGid", "bosons", undefined),
  gid("gid-twice-different", "one posixName with two GIDs", "fermions", [31901, 31902]),
  gid("gid-twice-equal", "one posixName twice with the same GID", "anyons", [31903, 31903]),
  gid("gid-twice-one-bad", "one posixName with a good GID and a bad one", "axions", [31904, 12]),
  spec(
    "gid-other-case",
    "the HPC User API knows the name in lowercase only",
    "psi",
    "Hybrid-Pixel",
    "Large facilities",
    {
      gid: "none",
    },
  ),
]

/** Names in the HPC User API that match no project exactly. */
export const FURTHER_GIDS: ReadonlyArray<readonly [string, number]> = [
  ["hybrid-pixel", 31950],
  ["retired-group", 31951],
]

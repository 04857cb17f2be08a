/**
 * Every way in which a peer's entries differ from ours, with the line of the contract that decides it.
 *
 * A class is asked only after our side has been found to be what the contract wants (`isAsExpected`), so it looks at
 * theirs: it accepts the one thing that the peer is known to do, computed from Waldur's row where it can be. No class
 * accepts any value, and none accepts two GIDs of the HPC User API's.
 */
import { dirname } from "node:path/posix"
import type { Comparison, Difference } from "./differences.ts"
import {
  backendItem,
  backendPath,
  computedPath,
  dataTypeOf,
  isComponent,
  type LeftOut,
  resourceAction,
  targetTypeOf,
  uuidOfName,
  waitsForConsumer,
} from "./expectation.ts"
import { expectedQuotas, numberIn, type QuotaField, type QuotaHabit } from "./expected-quotas.ts"
import { at, isObject, type JsonObject, same, textAt } from "./json-values.ts"
import { dashed, keyOf, kindOf } from "./listings.ts"
import type { PeerVersion } from "./peers.ts"

export interface ContractLine {
  readonly name: string
  /** What the peer does, in short. */
  readonly theirs: string
  readonly section: string
  readonly line: string
}

interface EntryClass extends ContractLine {
  readonly peers: ReadonlyArray<PeerVersion>
  readonly kinds: ReadonlyArray<Difference["kind"]>
  readonly explains: (difference: Difference, comparison: Comparison) => boolean
}

const both: ReadonlyArray<PeerVersion> = ["0.7.7", "0.10.0"]

const entryClasses: ReadonlyArray<EntryClass> = [
  {
    name: "uuid-not-dashed",
    theirs: "32 hex digits without dashes",
    section: "1",
    line: "UUIDs are lowercase and dashed everywhere, also where Waldur sends 32 hex digits.",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, ours, theirs }) =>
      ["itemId", "parentItemId", "target.targetItem.itemId"].includes(path) &&
      typeof theirs === "string" &&
      /^[0-9a-f]{32}$/.test(theirs) &&
      dashed(theirs) === ours,
  },
  {
    name: "data-type-without-path",
    theirs: "no `path` in the data type of tenants and customers",
    section: "1",
    line: "only `storageDataType` has `path` (= key), on every level",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, theirs, ourEntry }) =>
      path === "storageDataType.path" && theirs === undefined && kind(ourEntry) !== "resource",
  },
  {
    name: "empty-path-of-systems",
    theirs: '`path: ""` in the storage system and the file system',
    section: "1",
    line: "only `storageDataType` has `path` (= key), on every level",
    peers: ["0.10.0"],
    kinds: ["field"],
    explains: ({ path, ours, theirs }) =>
      ["storageSystem.path", "storageFileSystem.path"].includes(path) && ours === undefined && theirs === "",
  },
  {
    name: "tenant-without-name",
    theirs: "a tenant named null",
    section: "1",
    line: "name = provider_name (else the slug in capitals)",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, theirs, expected }) =>
      path === "target.targetItem.name" &&
      theirs === null &&
      expected?.rows.every((row) => row.provider_name === null) === true,
  },
  {
    name: "customer-not-found",
    theirs: "no customer, its resources have no parent",
    section: "1",
    line: "A customer missing from that list (or a list that cannot be read) falls back to the resource's own customer_uuid and customer_name, with a warning: the tree stays whole.",
    peers: both,
    kinds: ["field", "only-ours"],
    explains: (difference, comparison) => {
      const { kind: what, path, theirs, ourEntry } = difference
      if (ourEntry === undefined) return false
      if (what === "only-ours") return kind(ourEntry) === "customer" && isUnknownCustomer(ourEntry.itemId, comparison)
      return path === "parentItemId" && theirs === null && isUnknownCustomer(ourEntry.parentItemId, comparison)
    },
  },
  {
    name: "target-key-missing",
    theirs: "no `key` in a project's target (0.10.0: null)",
    section: "1",
    line: '{itemId: uuid5("project:"+resource.slug), key: project_slug, name: project_name, status, unixGid, active}',
    peers: both,
    kinds: ["field"],
    explains: ({ path, ours, theirs, row }, { peer }) =>
      path === "target.targetItem.key" &&
      row !== undefined &&
      targetTypeOf(row) === "project" &&
      ours === row.project_slug &&
      theirs === (peer === "0.7.7" ? undefined : null),
  },
  {
    name: "target-name-is-resource-slug",
    theirs: "the resource's slug as the project's name",
    section: "1",
    line: '{itemId: uuid5("project:"+resource.slug), key: project_slug, name: project_name, status, unixGid, active}',
    peers: both,
    kinds: ["field"],
    explains: ({ path, ours, theirs, row }) =>
      path === "target.targetItem.name" && row !== undefined && ours === row.project_name && theirs === row.slug,
  },
  {
    name: "null-keys-of-user-target",
    theirs: "`key: null` and `name: null` in a user's target",
    section: "1",
    line: "Target `user` (users, scratch): {itemId, status, email, unixUid, primaryProject{name, unixGid, active}, active}",
    peers: ["0.10.0"],
    kinds: ["field"],
    explains: ({ path, ours, theirs, row }) =>
      ["target.targetItem.key", "target.targetItem.name"].includes(path) &&
      ours === undefined &&
      theirs === null &&
      row !== undefined &&
      targetTypeOf(row) === "user",
  },
  {
    name: "made-up-uid",
    theirs: "another made-up UID, from 20000 to 29999",
    section: "1",
    line: "No API gives a user's UID: unixUid is 20000 + stable hash(resource.slug) mod 10000, and the documents say that it is made up.",
    peers: both,
    kinds: ["field"],
    explains: ({ path, theirs, row }) =>
      path === "target.targetItem.unixUid" &&
      row !== undefined &&
      !isObject(backendItem(row)) &&
      Number.isInteger(theirs) &&
      Number(theirs) >= 20_000 &&
      Number(theirs) < 30_000,
  },
  {
    name: "bad-backend-item-served",
    theirs: "the incomplete or unsafe target item of `backend_metadata`, GID included",
    section: "1",
    line: "is the target item as it stands where it is an object with a UUID `itemId` and a GID as in section 3 …. Otherwise it is ignored, with a warning.",
    peers: both,
    kinds: ["field"],
    explains: ({ path, theirs, row, ourEntry }, { peer }) => {
      if (row === undefined || !path.startsWith("target.targetItem")) return false
      const item = backendItem(row)
      // Ours is a made one: it has the id that the contract gives to those.
      const made = uuidOfName(targetTypeOf(row), String(row.slug)) === at(ourEntry, "target.targetItem.itemId")
      if (item === undefined || item === null || !made) return false
      if (path === "target.targetItem") return same(theirs, item)
      const found = at(item, path.slice("target.targetItem.".length))
      if (found === undefined) return theirs === undefined || (peer === "0.10.0" && theirs === null)
      return (
        same(theirs, found) ||
        (peer === "0.10.0" && typeof found === "string" && Number.isInteger(theirs) && Number(found) === theirs)
      )
    },
  },
  {
    name: "order",
    theirs: "another order: 0.7.7 as Waldur's rows come, 0.10.0 all tenants and customers first",
    section: "1",
    line: "Order: system as configured, data type, tenant, customer, then resources by `created` and uuid; a parent stands right before what is below it.",
    peers: both,
    kinds: ["order"],
    explains: (_difference, { ours, expectation }) =>
      same(
        ours.map(({ entry }) => keyOf(entry)),
        [...expectation.entries.keys()],
      ),
  },
  {
    name: "updating-is-pending",
    theirs: "status pending for a resource that is Updating",
    section: "2",
    line: "Status from Waldur's state: Creating pending, OK active, Erred error, Updating updating, …",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, theirs, row }) =>
      isStatus(path) && row?.state === "Updating" && !waitsForConsumer(row) && theirs === "pending",
  },
  {
    name: "target-status-of-its-own",
    theirs: "the target pending where the resource is Erred, removing where it is Terminated",
    section: "2",
    line: "the same for entry and target",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, theirs, row }) =>
      path === "target.targetItem.status" &&
      ((row?.state === "Erred" && theirs === "pending") || (row?.state === "Terminated" && theirs === "removing")),
  },
  {
    name: "order-not-at-provider",
    theirs: "changes that the customer has not approved, as if they were under way",
    section: "2",
    line: "Updating or Terminating whose order has not reached the provider (…) counts as OK",
    peers: both,
    kinds: ["field"],
    explains: ({ path, ours, theirs, row }, { peer }) => {
      if (row === undefined || !waitsForConsumer(row)) return false
      const updating = peer === "0.7.7" ? "pending" : "updating"
      const status = row.state === "Updating" ? updating : row.state === "Terminating" ? "removing" : undefined
      if (isStatus(path)) return ours === "active" && status !== undefined && theirs === status
      if (/^target\.targetItem\.(primaryProject\.)?active$/.test(path)) return ours === true && theirs === false
      return path === "set_state_ok_url" && peer === "0.10.0" && theirs === resourceAction(row, "set_state_ok")
    },
  },
  {
    name: "creation-not-approved-served",
    theirs: "resources whose creation the customer has not approved, and what is above them alone",
    section: "2",
    line: "a Creating resource with such an order is not served at all",
    peers: ["0.7.7"],
    kinds: ["only-theirs"],
    explains: ({ theirEntry, row }, { rows, expectation }) => {
      if (theirEntry === undefined) return false
      if (kind(theirEntry) === "resource") return isLeftOut(row, expectation.leftOut, "creation-not-approved")
      const field = kind(theirEntry) === "tenant" ? "offering_uuid" : "customer_uuid"
      const below = [...rows.values()].filter(
        (one) =>
          dashed(one[field]) === dashed(theirEntry.itemId) &&
          textAt(theirEntry, "storageSystem.key") === one.offering_slug &&
          textAt(theirEntry, "storageDataType.key") === dataTypeOf(one),
      )
      return below.length > 0 && below.every((one) => isLeftOut(one, expectation.leftOut, "creation-not-approved"))
    },
  },
  {
    name: "data-type-not-normalized",
    theirs: "the data type with its spaces, or empty; its id of the name in capitals",
    section: "2",
    line: "`storage_data_type`: trimmed, lowercased; missing, null or empty is `store`.",
    peers: ["0.7.7"],
    kinds: ["field", "only-theirs"],
    explains: (difference, { rows }) => {
      const { kind: what, path, theirs, theirEntry, row } = difference
      if (what === "only-theirs") {
        if (theirEntry === undefined || kind(theirEntry) === "resource") return false
        return [...rows.values()].some((one) => {
          const raw = rawDataType(one)
          return raw !== undefined && raw !== dataTypeOf(one) && isOfDataType(theirEntry, one, raw)
        })
      }
      const raw = row === undefined ? undefined : rawDataType(row)
      if (row === undefined || raw === undefined || raw === dataTypeOf(row)) return false
      const lower = raw.toLowerCase()
      if (path === "mountPoint.default") return theirs === computedPath(row, lower)
      return (
        path.startsWith("storageDataType.") && theirs !== undefined && same(theirs, dataTypeFields(raw)[path.slice(16)])
      )
    },
  },
  {
    name: "null-data-type-left-out",
    theirs: "the resource left out",
    section: "2",
    line: "`storage_data_type`: trimmed, lowercased; missing, null or empty is `store`.",
    peers: ["0.7.7"],
    kinds: ["only-ours"],
    explains: ({ row }) => at(row?.attributes, "storage_data_type") === null,
  },
  {
    name: "bad-permissions-in-options",
    theirs: "`options.permissions` whatever it is",
    section: "2",
    line: "3 or 4 octal digits; a valid `options.permissions` overrides it",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, theirs, row }) =>
      path === "permission.value" &&
      typeof theirs === "string" &&
      !/^[0-7]{3,4}$/.test(theirs) &&
      theirs === at(row?.options, "permissions"),
  },
  leftOutClass(
    "bad-permissions-served",
    "permissions that are not octal",
    "2",
    "A value that is not a string, or permissions that are not octal: that one resource is bad data.",
    "bad-permissions",
  ),
  leftOutClass(
    "not-a-text-served",
    "a resource with null, a number or nothing where a text is needed",
    "2",
    "A value that is not a string, or permissions that are not octal: that one resource is bad data.",
    "field-is-no-text",
  ),
  {
    name: "bad-path-component-served",
    theirs: "paths with `..`, slashes, spaces, hidden or over-long names; also the tenants and customers there",
    section: "2",
    line: "Every component, the data type included, matches `^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$`, and a path has at most 4,096 bytes; else bad data.",
    peers: both,
    kinds: ["only-theirs"],
    explains: ({ theirEntry, row }, { expectation }) => {
      if (theirEntry === undefined) return false
      return kind(theirEntry) === "resource"
        ? isLeftOut(row, expectation.leftOut, "bad-path-component") ||
            isLeftOut(row, expectation.leftOut, "path-too-long")
        : !isComponent(textAt(theirEntry, "storageDataType.key"))
    },
  },
  {
    name: "backend-id-unread",
    theirs: "the computed path, for the parents too",
    section: "2",
    line: "`backend_id` is the mount point where it is an absolute path of two or more such components",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, theirs, row, expected, ourEntry }) => {
      if (path !== "mountPoint.default") return false
      if (row !== undefined) return backendPath(row) !== undefined && theirs === computedPath(row)
      const levels = kind(ourEntry) === "tenant" ? 2 : 1
      return (
        expected?.rows.every((one) => {
          const computed = computedPath(one)
          return (
            backendPath(one) !== undefined && theirs === (levels === 1 ? dirname(computed) : dirname(dirname(computed)))
          )
        }) === true
      )
    },
  },
  {
    name: "any-backend-id-is-a-path",
    theirs: "`backend_id` as the path whatever it is",
    section: "2",
    line: "Any other `backend_id` is no path and is ignored (0.10.0 serves it as a relative path).",
    peers: ["0.10.0"],
    kinds: ["field"],
    explains: ({ path, ours, theirs, row }) =>
      path === "mountPoint.default" &&
      row !== undefined &&
      backendPath(row) === undefined &&
      ours === computedPath(row) &&
      typeof theirs === "string" &&
      theirs === row.backend_id,
  },
  {
    name: "parent-follows-one-resource",
    theirs: "the directory above one resource's `backend_id` as the path of all of them",
    section: "2",
    line: "Parents take the parent directories (…) only where every resource below them has such a path, all give the same directory, and it is not `/`",
    peers: ["0.10.0"],
    kinds: ["field"],
    explains: ({ path, theirs, expected, ourEntry }) =>
      path === "mountPoint.default" &&
      kind(ourEntry) !== "resource" &&
      expected?.rows.some((row) => {
        const id = row.backend_id
        if (typeof id !== "string" || id === "") return false
        return theirs === (kind(ourEntry) === "tenant" ? dirname(dirname(id)) : dirname(id))
      }) === true,
  },
  leftOutClass(
    "removal-of-live-path-served",
    "a removal at the path of a live resource",
    "2",
    "One that is removing or removed is left out while another with that path is neither: a provisioner would delete live data.",
    "removal-of-live-path",
  ),
  leftOutClass(
    "removal-without-order-served",
    "a removal that no order asks for",
    "2",
    "A removal whose order is in a state that we do not know, or that has no order in progress at all, is held back",
    "removal-without-order",
  ),
  {
    name: "erred-without-urls",
    theirs: "no callback URL for an Erred resource without an order",
    section: "2",
    line: "An Erred resource has `set_state_ok_url` and `set_backend_id_url` with or without an order",
    peers: ["0.10.0"],
    kinds: ["field"],
    explains: ({ path, ours, theirs, row }) =>
      ["set_state_ok_url", "set_backend_id_url"].includes(path) &&
      row?.state === "Erred" &&
      typeof ours === "string" &&
      theirs === undefined,
  },
  {
    name: "no-number-left-out",
    theirs: "the resource left out where `limits.storage` is inf or nan",
    section: "2",
    line: "missing or null is 0; no number, or negative, is 0 with a warning",
    peers: ["0.7.7"],
    kinds: ["only-ours"],
    explains: ({ row, ourEntry }) => {
      const limit = at(row?.limits, "storage")
      return typeof limit === "string" && numberIn(limit) === undefined && ourEntry?.quotas === null
    },
  },
  {
    name: "no-old-and-new-quotas",
    theirs: "no `oldQuotas`, no `newQuotas`",
    section: "2",
    line: "An Update order in progress adds `oldQuotas` and `newQuotas`",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, theirs }) => ["oldQuotas", "newQuotas"].includes(path) && theirs === undefined,
  },
  {
    name: "null-old-and-new-quotas",
    theirs: "`oldQuotas: null` and `newQuotas: null` in every entry",
    section: "2",
    line: "An Update order in progress adds `oldQuotas` and `newQuotas`: …; an Update with none of the four adds nothing.",
    peers: ["0.10.0"],
    kinds: ["field"],
    explains: ({ path, ours, theirs }) =>
      ["oldQuotas", "newQuotas"].includes(path) && ours === undefined && theirs === null,
  },
  {
    name: "odd-order-has-no-quotas",
    theirs: "null for both where the order's attributes are null or its limit is no number",
    section: "2",
    line: "merged key by key over the resource's own",
    peers: ["0.10.0"],
    kinds: ["field"],
    explains: ({ path, theirs, row }) => {
      const order = row?.order_in_progress
      const limit = at(order, "limits.storage")
      const odd = at(order, "attributes") === null || (limit !== undefined && numberIn(limit) === undefined)
      return ["oldQuotas", "newQuotas"].includes(path) && theirs === null && odd
    },
  },
  {
    name: "no-callback-urls",
    theirs: "no callback URL",
    section: "2",
    line: "Callback URLs, only where an order in progress has a `url`: pending-provider gives …; executing gives …; any gives `set_backend_id_url`",
    peers: ["0.7.7"],
    kinds: ["field"],
    explains: ({ path, ours, theirs }) =>
      /^[a-z_]+_url$/.test(path) && typeof ours === "string" && theirs === undefined,
  },
  {
    name: "text-taken-for-url",
    theirs: "callback URLs made of a text that is no URL",
    section: "2",
    line: "Callback URLs, only where an order in progress has a `url`",
    peers: ["0.10.0"],
    kinds: ["field"],
    explains: ({ path, ours, theirs, row }) => {
      const url = at(row?.order_in_progress, "url")
      return (
        ours === undefined &&
        typeof url === "string" &&
        !/^https?:/.test(url) &&
        theirs === `${url}/${path.replace(/_url$/, "")}/`
      )
    },
  },
  {
    name: "unusable-gid-served",
    theirs: "the GID that the API sent, though it is too small, no integer or one of two",
    section: "3",
    line: "A GID is an integer of at least `hpc_user_api.min_gid` (1000), by exact `posixName`, one value per name; anything else is unknown.",
    peers: both,
    kinds: ["only-theirs"],
    explains: ({ theirEntry, row }, { expectation, world }) => {
      if (!isLeftOut(row, expectation.leftOut, "no-usable-gid")) return false
      const sent = world.gids.get(String(row?.project_slug))
      const served =
        at(theirEntry, "target.targetItem.unixGid") ?? at(theirEntry, "target.targetItem.primaryProject.unixGid")
      // 0.10.0 turns "31001" and true into numbers.
      return [sent].flat().some((gid) => same(gid, served) || (typeof served === "number" && Number(gid) === served))
    },
  },
  {
    name: "repeated-gid-left-out",
    theirs: "the resource left out where the API sends its GID twice",
    section: "3",
    line: "by exact `posixName`, one value per name",
    peers: ["0.7.7"],
    kinds: ["only-ours"],
    explains: ({ row }, { world }) => {
      const sent = world.gids.get(String(row?.project_slug))
      return Array.isArray(sent) && sent.length > 1 && new Set(sent).size === 1
    },
  },
]

/** A class for resources that the contract leaves out for this reason, and a peer serves. */
function leftOutClass(name: string, theirs: string, section: string, line: string, reason: LeftOut): EntryClass {
  return {
    name,
    theirs,
    section,
    line,
    peers: both,
    kinds: ["only-theirs"],
    explains: ({ row }, { expectation }) => isLeftOut(row, expectation.leftOut, reason),
  }
}

const kind = (entry: JsonObject | undefined) => (entry === undefined ? undefined : kindOf(entry))

const isStatus = (path: string) => path === "status" || path === "target.targetItem.status"

const isLeftOut = (row: JsonObject | undefined, leftOut: ReadonlyMap<string, LeftOut>, reason: LeftOut) =>
  row !== undefined && leftOut.get(dashed(row.uuid) ?? String(row.uuid)) === reason

const rawDataType = (row: JsonObject) => textAt(row.attributes, "storage_data_type")

const dataTypeFields = (raw: string): JsonObject => ({
  itemId: uuidOfName("storage_data_type", raw),
  key: raw.toLowerCase(),
  name: raw.toUpperCase(),
  path: raw.toLowerCase(),
})

/** Whether the tenant or customer is one of the row's, in the place that the raw data type gives. */
const isOfDataType = (entry: JsonObject, row: JsonObject, raw: string): boolean => {
  const tenant = `/${row.offering_slug}/${raw.toLowerCase()}/${row.provider_slug}`
  const path = at(entry, "mountPoint.default")
  return kindOf(entry) === "tenant"
    ? dashed(entry.itemId) === dashed(row.offering_uuid) && path === tenant
    : dashed(entry.itemId) === dashed(row.customer_uuid) && path === `${tenant}/${row.customer_slug}`
}

/** 0.10.0 knows the customers of the lists; 0.7.7 those of each list's first page alone, ten customers. */
const isUnknownCustomer = (itemId: unknown, { peer, world }: Comparison): boolean =>
  ![...world.customersByOffering.values()].some((customers) =>
    (peer === "0.7.7" ? customers.slice(0, 10) : customers).some(({ uuid }) => dashed(uuid) === itemId),
  )

interface HabitClass extends ContractLine {
  readonly name: QuotaHabit
  readonly peers: ReadonlyArray<PeerVersion>
}

const habitClasses: ReadonlyArray<HabitClass> = [
  {
    name: "soft-space-option-unread",
    theirs: "`options.soft_quota_space` not read",
    section: "2",
    line: "`options.soft_quota_space` and `.hard_quota_space` override",
    peers: ["0.10.0"],
  },
  {
    name: "soft-above-hard-kept",
    theirs: "soft quotas above the hard ones",
    section: "2",
    line: "A soft quota above its hard one is lowered to it, with a warning.",
    peers: both,
  },
  {
    name: "only-indoes-read",
    theirs: "`*_quota_inodes` not read, only `*_quota_indoes`",
    section: "2",
    line: "`.soft_quota_inodes` and `.hard_quota_inodes` too (also spelt `*_indoes`, as 0.7.7 reads them)",
    peers: ["0.7.7"],
  },
  {
    name: "indoes-unread",
    theirs: "`*_quota_indoes` not read",
    section: "2",
    line: "`.soft_quota_inodes` and `.hard_quota_inodes` too (also spelt `*_indoes`, as 0.7.7 reads them)",
    peers: ["0.10.0"],
  },
  {
    name: "true-is-one",
    theirs: "`limits.storage: true` as 1 TB",
    section: "2",
    line: 'finite decimals as a number or a string ("10000.0"); "", "inf", "0x10", true are none',
    peers: both,
  },
  {
    name: "negative-option-taken",
    theirs: "negative overrides taken",
    section: "2",
    line: "an override that is no number, negative or 0 is ignored with a warning naming that override",
    peers: ["0.7.7"],
  },
  {
    name: "zero-option-taken",
    theirs: "overrides of 0 taken",
    section: "2",
    line: "an override that is no number, negative or 0 is ignored with a warning naming that override",
    peers: both,
  },
  {
    name: "no-inode-left",
    theirs: "inode quotas of 0 for a small limit",
    section: "2",
    line: "A positive limit never gives an inode quota of 0: at least 1.",
    peers: both,
  },
  {
    name: "repeated-option-kept",
    theirs: "in `newQuotas` an option that repeats what the old limit gave",
    section: "2",
    line: "an option that merely repeats what the old limit gave is no override in `newQuotas`",
    peers: ["0.10.0"],
  },
  {
    name: "order-options-replace",
    theirs: "the order's options in place of the resource's own",
    section: "2",
    line: "merged key by key over the resource's own",
    peers: ["0.10.0"],
  },
]

/** All lines that the comparison of entries may cite, in the order of the contract. */
export const entryLines: ReadonlyArray<ContractLine> = [...entryClasses, ...habitClasses].toSorted(
  (a, b) => Number(a.section) - Number(b.section),
)

/** Whether our side is what the contract wants. Where it is not, no class explains the difference. */
const isAsExpected = ({ kind, key, path, ours, expected }: Difference, comparison: Comparison): boolean => {
  switch (kind) {
    case "field":
      return expected !== undefined && same(ours, at(expected.entry, path))
    case "only-ours":
      return expected !== undefined && same(ours, expected.entry)
    case "only-theirs":
      // Wanted, and yet only theirs: then ours lacks it. Else theirs has it twice.
      return expected === undefined || comparison.ours.some(({ entry }) => keyOf(entry) === key)
    case "order":
      return true
  }
}

/** The names of the classes that explain a difference; none where it is unexplained. */
export const classesOf = (difference: Difference, comparison: Comparison): ReadonlyArray<string> => {
  if (!isAsExpected(difference, comparison)) return []
  const { kind: what, path, theirs, row } = difference
  const found = entryClasses.find(
    ({ peers, kinds, explains }) =>
      peers.includes(comparison.peer) && kinds.includes(what) && explains(difference, comparison),
  )
  if (found !== undefined) return [found.name]
  if (what !== "field" || row === undefined || !["quotas", "oldQuotas", "newQuotas"].includes(path)) return []
  const habits = habitClasses.filter(({ peers }) => peers.includes(comparison.peer)).map(({ name }) => name)
  return subsets(habits).find((some) => same(theirs, expectedQuotas(row, path as QuotaField, new Set(some)))) ?? []
}

/** All subsets but the empty one, small ones first: the fewest habits that give the very numbers. */
const subsets = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: 2 ** items.length - 1 }, (_, bits) =>
    items.filter((_item, index) => ((bits + 1) >> index) % 2 === 1),
  ).toSorted((a, b) => a.length - b.length)

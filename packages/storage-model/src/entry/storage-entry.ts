/**
 * Schemas of a storage entry, in the field order of the contract. They reject what no settings of the proxy allow, such as a
 * path with `..` or root's id, so a caller decodes with them what it receives.
 */
import { Schema } from "effect"
import { isGid } from "../rules/gid.ts"
import { entryStatuses } from "../rules/lifecycle.ts"
import { isMountPath } from "../rules/mount-path.ts"
import { isOctal } from "../rules/permissions.ts"
import { nestsDeeper } from "../waldur/json-object.ts"
import { dashedUuid } from "../waldur/uuid.ts"

/** A check that the API's description does not contain; its text completes "Expected …". */
const check = <T>(expected: string, isValid: (value: T) => boolean) => Schema.makeFilter(isValid, { expected })

const isDashedUuid = check<string>("a UUID, lowercase and dashed", (text) => dashedUuid(text) === text)
/** Any id of a group or user but root's and the anonymous ones; the proxy's settings have a narrower range. */
const ids = { minGid: 1, maxGid: 2 ** 32 - 2 }
const isServedId = check<number>("a positive id that is not reserved", (id) => isGid(id, ids))

const Uuid = Schema.String.annotate({ format: "uuid", description: "A UUID, lowercase and dashed." }).check(
  isDashedUuid,
)
const Gid = Schema.Int.annotate({ description: "The project's Unix group id." }).check(isServedId)
const EntryStatus = Schema.Literals(entryStatuses).annotate({
  identifier: "EntryStatus",
  description: "What to do with the directory; one for each of Waldur's states.",
})
const Url = Schema.String.annotate({ format: "uri" })

/** One limit of a directory. */
export const Quota = Schema.Struct({
  type: Schema.Literals(["space", "inodes"]).annotate({ identifier: "QuotaType" }),
  quota: Schema.Finite.annotate({ description: "Space in TB (unit tera), inodes as a count (unit none)." }).check(
    check("a number that is not negative", (quota) => quota >= 0),
  ),
  unit: Schema.Literals(["tera", "none"]).annotate({ identifier: "QuotaUnit" }),
  enforcementType: Schema.Literals(["soft", "hard"]).annotate({ identifier: "EnforcementType" }),
}).annotate({ identifier: "Quota" })
export type Quota = typeof Quota.Type

const Quotas = Schema.NullOr(Schema.Array(Quota)).annotate({
  description:
    "Space soft and hard, inodes soft and hard. null means that the quotas are unknown, not that there are none.",
})

const nameFields = {
  itemId: Uuid,
  key: Schema.String.annotate({ description: "Lowercase." }),
  name: Schema.String.annotate({ description: "Uppercase." }),
  active: Schema.Literal(true),
}
/** A storage system or a file system. */
export const StorageName = Schema.Struct(nameFields).annotate({ identifier: "StorageName" })
export type StorageName = typeof StorageName.Type

/** A storage data type: `store`, `archive`, `users`, `scratch`, or another. */
export const StorageDataType = Schema.Struct({ ...nameFields, path: Schema.String }).annotate({
  identifier: "StorageDataType",
})
export type StorageDataType = typeof StorageDataType.Type

const OrganizationItem = Schema.Struct({ itemId: Uuid, key: Schema.String, name: Schema.String }).annotate({
  identifier: "OrganizationItem",
})

/** The target item of a project's directory, as the model generates it. */
export const ProjectItem = Schema.Struct({
  itemId: Uuid,
  key: Schema.String,
  name: Schema.String,
  status: EntryStatus,
  unixGid: Gid,
  active: Schema.Boolean,
}).annotate({ identifier: "ProjectItem" })
export type ProjectItem = typeof ProjectItem.Type

/** The target item of a user's directory, as the model generates it. No API provides a UID, so `unixUid` is a mock. */
export const UserItem = Schema.Struct({
  itemId: Uuid,
  status: EntryStatus,
  email: Schema.String.annotate({ description: "Mock: user-<resource slug>@example.com." }),
  unixUid: Schema.Int.annotate({
    description: "Mock, derived from the resource's slug, 20000 to 29999: no API provides a UID.",
  }).check(isServedId),
  primaryProject: Schema.Struct({ name: Schema.String, unixGid: Gid, active: Schema.Boolean }).annotate({
    identifier: "PrimaryProject",
  }),
  active: Schema.Boolean,
}).annotate({ identifier: "UserItem" })
export type UserItem = typeof UserItem.Type

/** Maximum nesting of an item from Waldur, itself included; a usual one has two levels. */
export const deepestItem = 20

const AnyValue = Schema.Unknown.check(
  check(`at most ${deepestItem} levels`, (value) => !nestsDeeper(value, deepestItem - 1)),
)

/** An object with at least these fields, unchanged from Waldur's `backend_metadata`. */
const fromWaldur = <Fields extends Schema.Struct.Fields>(identifier: string, fields: Fields) =>
  Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, AnyValue)]).annotate({
    identifier,
    description: "From Waldur's backend_metadata, unchanged.",
  })
const ProjectItemFromWaldur = fromWaldur("ProjectItemFromWaldur", { itemId: Uuid, unixGid: Gid })
const UserItemFromWaldur = fromWaldur("UserItemFromWaldur", {
  itemId: Uuid,
  unixUid: Schema.Int.check(isServedId),
  primaryProject: fromWaldur("PrimaryProjectFromWaldur", { unixGid: Gid }),
})

const target = <const T extends string, Item extends Schema.Top>(targetType: T, identifier: string, targetItem: Item) =>
  Schema.Struct({ targetType: Schema.Literal(targetType), targetItem }).annotate({ identifier })

/** The owner of a directory. */
export const Target = Schema.Union([
  target("tenant", "TenantTarget", OrganizationItem),
  target("customer", "CustomerTarget", OrganizationItem),
  target("project", "ProjectTarget", Schema.Union([ProjectItem, ProjectItemFromWaldur])),
  target("user", "UserTarget", Schema.Union([UserItem, UserItemFromWaldur])),
]).annotate({ identifier: "Target" })
export type Target = typeof Target.Type

/** The URLs with which a provisioner reports to Waldur. Only those that apply are present, in this order. */
const callbackUrlFields = {
  approve_by_provider_url: Schema.optionalKey(Url),
  reject_by_provider_url: Schema.optionalKey(Url),
  set_state_done_url: Schema.optionalKey(Url),
  set_state_erred_url: Schema.optionalKey(Url),
  update_resource_options_url: Schema.optionalKey(Url),
  set_backend_id_url: Schema.optionalKey(Url),
  set_state_ok_url: Schema.optionalKey(Url),
}
const CallbackUrls = Schema.Struct(callbackUrlFields)
/** Callback URLs: present while an order is in progress, and for an Erred resource also without an order. */
export type CallbackUrls = typeof CallbackUrls.Type

/** One directory of the tree: a tenant's, a customer's, or a project's or user's, in the field order of the contract. */
export const StorageEntry = Schema.Struct({
  itemId: Schema.String.annotate({
    format: "uuid",
    description:
      "Of the offering, customer or resource. Tenants and customers occur at several mount points: key on itemId and mountPoint.",
  }).check(isDashedUuid),
  status: EntryStatus,
  mountPoint: Schema.Struct({
    default: Schema.String.annotate({ description: "An absolute path." }).check(
      check("an absolute path of components that are safe to create", isMountPath),
    ),
  }).annotate({ identifier: "MountPoint" }),
  permission: Schema.Struct({
    permissionType: Schema.Literal("octal"),
    value: Schema.String.annotate({ description: "3 or 4 octal digits." }).check(check("3 or 4 octal digits", isOctal)),
  }).annotate({ identifier: "Permission" }),
  quotas: Quotas,
  oldQuotas: Schema.optionalKey(Quotas),
  newQuotas: Schema.optionalKey(Quotas),
  target: Target,
  storageSystem: StorageName,
  storageFileSystem: StorageName,
  storageDataType: StorageDataType,
  parentItemId: Schema.NullOr(Uuid),
  ...callbackUrlFields,
}).annotate({ identifier: "StorageEntry" })
export type StorageEntry = typeof StorageEntry.Type

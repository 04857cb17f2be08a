/** Schemas of a storage entry, in the field order of the contract. */
import { Schema } from "effect"
import { entryStatuses } from "../rules/lifecycle.ts"

const Uuid = Schema.String.annotate({ format: "uuid", description: "A UUID, lowercase and dashed." })
const Gid = Schema.Int.annotate({ description: "The project's Unix group id, from the HPC User API." })
const EntryStatus = Schema.Literals(entryStatuses)
const Url = Schema.String.annotate({ format: "uri" })

/** One limit of a directory. */
export const Quota = Schema.Struct({
  type: Schema.Literals(["space", "inodes"]),
  quota: Schema.Finite.annotate({ description: "Space in TB (unit tera), inodes as a count (unit none)." }),
  unit: Schema.Literals(["tera", "none"]),
  enforcementType: Schema.Literals(["soft", "hard"]),
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
  }),
  primaryProject: Schema.Struct({ name: Schema.String, unixGid: Gid, active: Schema.Boolean }),
  active: Schema.Boolean,
}).annotate({ identifier: "UserItem" })
export type UserItem = typeof UserItem.Type

/** A target item from Waldur's `backend_metadata`, unchanged. */
const ItemFromWaldur = Schema.Record(Schema.String, Schema.Unknown).annotate({
  identifier: "ItemFromWaldur",
  description: "A target item from Waldur's backend_metadata, unchanged.",
})

/** The owner of a directory. */
export const Target = Schema.Union([
  Schema.Struct({ targetType: Schema.Literals(["tenant", "customer"]), targetItem: OrganizationItem }),
  Schema.Struct({ targetType: Schema.Literal("project"), targetItem: Schema.Union([ProjectItem, ItemFromWaldur]) }),
  Schema.Struct({ targetType: Schema.Literal("user"), targetItem: Schema.Union([UserItem, ItemFromWaldur]) }),
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
  }),
  status: EntryStatus,
  mountPoint: Schema.Struct({ default: Schema.String.annotate({ description: "An absolute path." }) }),
  permission: Schema.Struct({
    permissionType: Schema.Literal("octal"),
    value: Schema.String.annotate({ description: "3 or 4 octal digits." }),
  }),
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

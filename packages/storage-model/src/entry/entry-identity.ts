/** What an entry is known by. Apart from its schema, so that a page for browsers can have it alone. */
import type { StorageEntry } from "./storage-entry.ts"

/** Identifies an entry in a list: the `itemId` of a tenant or customer occurs at several mount points. */
export const keyOf = ({ itemId, mountPoint }: StorageEntry): string => `${itemId} ${mountPoint.default}`

/** Whether an entry belongs to a resource, which has one directory; a tenant or customer has one at each mount point. */
export const isOfResource = ({
  target: { targetType },
}: {
  readonly target: { readonly targetType: string }
}): boolean => targetType === "project" || targetType === "user"

/**
 * The Unix group that owns an entry's directory: the project's, and for `users` and `scratch` the primary project's;
 * `undefined` for a tenant or customer, whose directory is root's.
 */
export const gidOf = ({ target }: StorageEntry): number | undefined => {
  switch (target.targetType) {
    case "project":
      return target.targetItem.unixGid
    case "user":
      return target.targetItem.primaryProject.unixGid
    default:
      return undefined
  }
}

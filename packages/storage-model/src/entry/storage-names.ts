/** The names of a storage system, a file system and a data type in entries. */
import type { ModelSettings } from "../settings.ts"
import { deterministicId } from "../waldur/uuid.ts"
import type { StorageDataType, StorageName } from "./storage-entry.ts"

/** The three names that an entry shares with all entries below it. */
export interface StorageNames {
  readonly storageSystem: StorageName
  readonly storageFileSystem: StorageName
  readonly storageDataType: StorageDataType
}

/** @param dataType trimmed and in lowercase, as `dataTypeOf` returns it */
export const storageNames = (offeringSlug: string, dataType: string, settings: ModelSettings): StorageNames => ({
  storageSystem: systemName(offeringSlug),
  storageFileSystem: fileSystemName(settings),
  storageDataType: dataTypeName(dataType),
})

export const systemName = (offeringSlug: string): StorageName => storageName("storage_system", offeringSlug)

export const fileSystemName = ({ storageFileSystem }: Pick<ModelSettings, "storageFileSystem">): StorageName =>
  storageName("storage_file_system", storageFileSystem)

/** @param dataType trimmed and in lowercase, as `dataTypeOf` returns it */
export const dataTypeName = (dataType: string): StorageDataType => ({
  ...storageName("storage_data_type", dataType),
  path: dataType,
})

const storageName = (scope: string, name: string): StorageName => ({
  itemId: deterministicId(scope, name),
  key: name.toLowerCase(),
  name: name.toUpperCase(),
  active: true,
})

import type { StorageEntry } from "@cscs/storage-model"

const name = (key: string) => ({ itemId: `id-${key}`, key, name: key.toUpperCase(), active: true as const })

/** An entry of a list. A project is active by default, with a soft limit of 1 TB and a hard limit of 2 TB. */
export const entry = (
  path: string,
  targetType: "tenant" | "customer" | "project",
  parentItemId: string | null,
  more: Partial<StorageEntry> = {},
): StorageEntry => {
  const [, system = "", type = ""] = path.split("/")
  const key = path.slice(path.lastIndexOf("/") + 1)
  const isProject = targetType === "project"
  const item = { itemId: path, key, name: `Name of ${key}` }
  const quota = (type: "space" | "inodes", enforcementType: "soft" | "hard", quota: number) => ({
    type,
    quota,
    unit: type === "space" ? ("tera" as const) : ("none" as const),
    enforcementType,
  })
  return {
    itemId: path,
    status: isProject ? "active" : "pending",
    mountPoint: { default: path },
    permission: { permissionType: "octal", value: "775" },
    quotas: isProject
      ? [quota("space", "soft", 1), quota("space", "hard", 2), quota("inodes", "soft", 10), quota("inodes", "hard", 20)]
      : null,
    target: (isProject
      ? { targetType, targetItem: { ...item, status: "active", unixGid: 31001, active: true } }
      : { targetType, targetItem: item }) as StorageEntry["target"],
    storageSystem: name(system),
    storageFileSystem: name("lustre"),
    storageDataType: { ...name(type), path: type },
    parentItemId,
    ...more,
  }
}

const t = "/capstor/store/cscs"
/** Two customers with three projects, one of which is removed. */
export const list: ReadonlyArray<StorageEntry> = [
  entry(t, "tenant", null),
  entry(`${t}/ethz`, "customer", t),
  entry(`${t}/ethz/climate`, "project", `${t}/ethz`),
  entry(`${t}/ethz/ocean`, "project", `${t}/ethz`, { status: "removed" }),
  entry(`${t}/psi`, "customer", t),
  entry(`${t}/psi/beam`, "project", `${t}/psi`, { status: "updating" }),
]

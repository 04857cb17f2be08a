import type { StorageEntry } from "@cscs/storage-model"

const waldur = "https://waldur.example.org/api"
/** The UUID of the order of each entry below. */
export const order = "1236695ec05f51edbdb3f06db18931c5"

export const itemId = (number: number) => `f674bb93-9ffa-5f6d-9593-${String(number).padStart(12, "0")}`

const name = (key: string) =>
  ({ itemId: `00000000-0000-5000-8000-${key.padStart(12, "0").slice(0, 12)}`, key, name: key, active: true }) as const

/** The URLs of an order that waits for approval. */
export const waiting = {
  approve_by_provider_url: `${waldur}/marketplace-orders/${order}/approve_by_provider/`,
  reject_by_provider_url: `${waldur}/marketplace-orders/${order}/reject_by_provider/`,
  set_state_done_url: `${waldur}/marketplace-orders/${order}/set_state_done/`,
}
/** The URLs of an order that is executing. */
export const executing = {
  set_state_done_url: `${waldur}/marketplace-orders/${order}/set_state_done/`,
  set_state_erred_url: `${waldur}/marketplace-orders/${order}/set_state_erred/`,
  set_backend_id_url: `${waldur}/marketplace-provider-resources/${itemId(1)}/set_backend_id/`,
}

export const quotas = (space: number, inodes = 1000) =>
  [
    { type: "space", quota: space, unit: "tera", enforcementType: "soft" },
    { type: "space", quota: space, unit: "tera", enforcementType: "hard" },
    { type: "inodes", quota: inodes, unit: "none", enforcementType: "soft" },
    { type: "inodes", quota: inodes * 2, unit: "none", enforcementType: "hard" },
  ] as const

/** An active project's directory with 5 TB, unless `more` says otherwise. */
export const anEntry = (more: Partial<StorageEntry> & { readonly path?: string } = {}): StorageEntry => {
  const { path = "/capstor/store/cscs/ethz/climphys", ...fields } = more
  return {
    itemId: itemId(1),
    status: "active",
    mountPoint: { default: path },
    permission: { permissionType: "octal", value: "2770" },
    quotas: [...quotas(5)],
    target: {
      targetType: "project",
      targetItem: { itemId: itemId(99), key: "p", name: "P", status: "active", unixGid: 31001, active: true },
    },
    storageSystem: name("capstor"),
    storageFileSystem: name("lustre"),
    storageDataType: { ...name("store"), path: "store" },
    parentItemId: itemId(98),
    ...fields,
  }
}

/** The directory of a tenant. */
export const aTenant = (more: Partial<StorageEntry> & { readonly path?: string } = {}): StorageEntry =>
  anEntry({
    itemId: itemId(50),
    path: "/capstor/store/cscs",
    status: "pending",
    permission: { permissionType: "octal", value: "775" },
    quotas: null,
    target: { targetType: "tenant", targetItem: { itemId: itemId(50), key: "cscs", name: "CSCS" } },
    parentItemId: null,
    ...more,
  })

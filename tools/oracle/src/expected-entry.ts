/**
 * The expected entry for an ordinary resource, derived from the contract and independent of the proxy's code. Entries
 * are texts, so that the order of the fields counts too.
 */
import { createHash } from "node:crypto"
import type { Json, JsonObject } from "@cscs/sandbox"
import { v5 } from "uuid"
import type { Facts, OrderFacts } from "./facts.ts"

export const systems = ["capstor", "vast", "iopsstor"] as const

/** The provider's view: an order without the consumer's approval has changed nothing, or created nothing. */
export const stateSeen = ({ state, order }: Pick<Facts, "state" | "order">): string | undefined => {
  const waits = ["pending-consumer", "pending-project", "pending-start-date"].includes(order?.state ?? "")
  if (!waits) return state
  if (state === "Creating") return undefined
  return state === "Updating" || state === "Terminating" ? "OK" : state
}

/** The status of each state of Waldur. */
export const statuses: Readonly<Record<string, string>> = {
  Creating: "pending",
  OK: "active",
  Erred: "error",
  Updating: "updating",
  Terminating: "removing",
  Terminated: "removed",
}

export const statusIn = (state: string): string => statuses[state] ?? "pending"

/**
 * Whether an entry would request a removal without an order. It is not served, and its data counts as live, because a
 * provisioner deletes everything that is `removing`.
 */
export const isHeldBack = ({ state, order }: Pick<Facts, "state" | "order">): boolean =>
  stateSeen({ state, order }) === "Terminating" &&
  !(order?.type === "Terminate" && ["pending-provider", "executing"].includes(order.state))

export const isBeingRemoved = (state: string): boolean => state === "Terminating" || state === "Terminated"

export const dashed = (uuid: string): string => uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

/** UUID version 5 of `scope:name` in the OID namespace. */
const namedUuid = (scope: string, name: string): string => v5(`${scope}:${name}`, oidNamespace)
const oidNamespace = "6ba7b812-9dad-11d1-80b4-00c04fd430c8"

const nameOf = (scope: string, name: string) => ({
  itemId: namedUuid(scope, name),
  key: name.toLowerCase(),
  name: name.toUpperCase(),
  active: true,
})

const namesOf = ({ offeringSlug, dataType }: Facts) => ({
  storageSystem: nameOf("storage_system", offeringSlug),
  storageFileSystem: nameOf("storage_file_system", "lustre"),
  storageDataType: { ...nameOf("storage_data_type", dataType), path: dataType },
})

const directoryOf = ({ offeringSlug, dataType, providerSlug }: Facts) => `/${offeringSlug}/${dataType}/${providerSlug}`

export const mountPointOf = (facts: Facts): string =>
  facts.backendId.startsWith("/") ? facts.backendId : `${directoryOf(facts)}/${facts.customerSlug}/${facts.projectSlug}`

export const tenantEntry = (facts: Facts): string => {
  const targetItem = { itemId: dashed(facts.offeringUuid), key: facts.providerSlug, name: facts.providerName }
  return parentEntry(facts, directoryOf(facts), "tenant", targetItem, null)
}

export const customerEntry = (facts: Facts, name: string): string => {
  const targetItem = { itemId: dashed(facts.customerUuid), key: facts.customerSlug, name }
  const mountPoint = `${directoryOf(facts)}/${facts.customerSlug}`
  return parentEntry(facts, mountPoint, "customer", targetItem, dashed(facts.offeringUuid))
}

const parentEntry = (
  facts: Facts,
  mountPoint: string,
  targetType: string,
  targetItem: { readonly itemId: string },
  parentItemId: string | null,
): string =>
  JSON.stringify({
    itemId: targetItem.itemId,
    status: "pending",
    mountPoint: { default: mountPoint },
    permission: { permissionType: "octal", value: "775" },
    quotas: null,
    target: { targetType, targetItem },
    ...namesOf(facts),
    parentItemId,
  })

/** Inputs that are not in the resource itself. */
export interface Surroundings {
  readonly projectName: string
  readonly gid: number
  /** Waldur's address, with `/api/`. */
  readonly api: string
  /** Whether the loss guard keeps the entry: it then has no callback URLs. */
  readonly isKept: boolean
}

/** The entry of a resource that the provider sees. */
export const expectedEntry = (facts: Facts, around: Surroundings): string => {
  const state = stateSeen(facts) ?? ""
  const status = statusIn(state)
  const { order } = facts
  return JSON.stringify({
    itemId: dashed(facts.uuid),
    status,
    mountPoint: { default: mountPointOf(facts) },
    permission: { permissionType: "octal", value: facts.options.permissions ?? facts.permissions },
    quotas: quotasOf(facts.limits, facts.options),
    ...(order?.type === "Update" && changesQuotas(order)
      ? {
          oldQuotas: quotasOf({ ...facts.limits, ...order.oldLimits }, { ...facts.options, ...order.oldOptions }),
          newQuotas: quotasOf({ ...facts.limits, ...order.limits }, optionsAfter(facts, order)),
        }
      : {}),
    target: targetOf(facts, status, around),
    ...namesOf(facts),
    parentItemId: dashed(facts.customerUuid),
    ...(around.isKept ? {} : callbackUrlsOf(facts, state, around.api)),
  })
}

/** Provisioners report the quotas of a limit as options; these end with the limit that they repeat. */
const optionsAfter = (facts: Facts, order: OrderFacts): Readonly<Record<string, Json | undefined>> => {
  const options: Record<string, Json | undefined> = { ...facts.options, ...order.newOptions }
  const before = Number({ ...facts.limits, ...order.oldLimits }.storage ?? 0)
  const after = Number({ ...facts.limits, ...order.limits }.storage ?? 0)
  if (order.limits.storage === undefined || after === before) return options
  const repeated = {
    soft_quota_space: before,
    hard_quota_space: before,
    soft_quota_inodes: inodesOf(before, 1.33),
    hard_quota_inodes: inodesOf(before, 2),
  }
  for (const [name, value] of Object.entries(repeated)) {
    if (!Object.hasOwn(order.newOptions, name) && Number(options[name]) === value) options[name] = undefined
  }
  return options
}

const changesQuotas = ({ limits, oldLimits, oldOptions, newOptions }: OrderFacts): boolean =>
  [limits, oldLimits, oldOptions, newOptions].some((part) => Object.keys(part).length > 0)

const quotasOf = (limits: JsonObject, options: Readonly<Record<string, Json | undefined>>) => {
  const storage = Number(limits.storage ?? 0)
  const hardSpace = override(options.hard_quota_space) ?? storage
  const softSpace = Math.min(override(options.soft_quota_space) ?? storage, hardSpace)
  const hardInodes = Math.trunc(override(options.hard_quota_inodes) ?? inodesOf(storage, 2))
  const softInodes = Math.trunc(override(options.soft_quota_inodes) ?? inodesOf(storage, 1.33))
  if (softSpace <= 0 && hardSpace <= 0) return null
  return [
    { type: "space", quota: softSpace, unit: "tera", enforcementType: "soft" },
    { type: "space", quota: hardSpace, unit: "tera", enforcementType: "hard" },
    { type: "inodes", quota: Math.min(softInodes, hardInodes), unit: "none", enforcementType: "soft" },
    { type: "inodes", quota: hardInodes, unit: "none", enforcementType: "hard" },
  ]
}

/** 0 is not an override: every file system reads it as unlimited. */
const override = (option: Json | undefined): number | undefined => (Number(option) > 0 ? Number(option) : undefined)

const inodesOf = (storage: number, coefficient: number): number =>
  storage > 0 ? Math.max(1, Math.trunc(storage * 1_000_000 * coefficient)) : 0

const targetOf = ({ slug, dataType, projectSlug }: Facts, status: string, { projectName, gid }: Surroundings) => {
  const active = status === "active"
  if (dataType === "store" || dataType === "archive") {
    const identity = { itemId: namedUuid("project", slug), key: projectSlug, name: projectName }
    return { targetType: "project", targetItem: { ...identity, status, unixGid: gid, active } }
  }
  const unixUid = 20_000 + (createHash("sha256").update(slug).digest().readUInt32BE(0) % 10_000)
  const identity = { itemId: namedUuid("user", slug), status, email: `user-${slug}@example.com`, unixUid }
  const primaryProject = { name: projectSlug, unixGid: gid, active }
  return { targetType: "user", targetItem: { ...identity, primaryProject, active } }
}

const callbackUrlsOf = (facts: Facts, state: string, api: string) => {
  const { order } = facts
  if (order === undefined && state !== "Erred") return {}
  const ofOrder = (action: string) => `${api}marketplace-orders/${order?.uuid}/${action}/`
  const ofResource = (action: string) => `${api}marketplace-provider-resources/${dashed(facts.uuid)}/${action}/`
  const isPending = order?.state === "pending-provider"
  const isExecuting = order?.state === "executing"
  return {
    ...(isPending && {
      approve_by_provider_url: ofOrder("approve_by_provider"),
      reject_by_provider_url: ofOrder("reject_by_provider"),
    }),
    ...((isPending || isExecuting) && { set_state_done_url: ofOrder("set_state_done") }),
    ...(isExecuting && { set_state_erred_url: ofOrder("set_state_erred") }),
    ...(isPending && { update_resource_options_url: ofResource("update_options_direct") }),
    set_backend_id_url: ofResource("set_backend_id"),
    ...(["Erred", "Creating", "Updating", "Terminating"].includes(state) && {
      set_state_ok_url: ofResource("set_state_ok"),
    }),
  }
}

/**
 * Validates entries that an earlier process or another replica stored. Files and shared caches can be tampered with, so a
 * stored entry is trusted no more than a record from Waldur: the same rules apply to paths, GIDs, URLs and values.
 */
import { type Problem, problem } from "../report/finding.ts"
import { servedOrigins } from "../rules/callback-urls.ts"
import { entryStatuses } from "../rules/lifecycle.ts"
import { invalidComponent, type PathRule, pathRule } from "../rules/mount-path.ts"
import { isGid } from "../rules/target.ts"
import type { ModelSettings } from "../settings.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import { dataTypeNames, fileSystemName, systemName } from "./storage-names.ts"

/** What is known about a valid stored entry. */
export interface StoredEntry {
  readonly itemId: string
  readonly status: string
  readonly dataType: string
  /** Whether it belongs to a resource (project or user) and not to a tenant or customer. */
  readonly isResource: boolean
}

const statuses: ReadonlySet<string> = new Set(entryStatuses)

/** Characters of one entry's JSON: room for twice the largest target item (64 kB) and three lists of quotas. */
const longestEntry = 256 * 1024
/** Levels of objects in a target item: the limit for an item from Waldur. */
const deepestItem = 20
/** PATH_MAX of Linux, in bytes. */
const longestPath = 4096

/**
 * Compiles the rules for one configuration, to be reused for many entries.
 *
 * @returns a function from an entry's JSON text and its offering's slug to the entry's key values, or to what is wrong
 *   with it. It never throws and takes time linear in the length of the text
 */
export const storedEntryChecker = (
  settings: ModelSettings,
): ((text: string, offeringSlug: string) => StoredEntry | Problem) => {
  const systems = new Map(settings.storageSystems.map(({ offeringSlug }) => [offeringSlug, systemName(offeringSlug)]))
  const fileSystem = fileSystemName(settings)
  const origins = servedOrigins(settings)
  const rule = pathRule(settings.mountRoots)
  const dataTypes = new Map<string, ReturnType<typeof dataTypeNames>>()
  const namesOf = (dataType: string) => {
    const known = dataTypes.get(dataType)
    if (known !== undefined) return known
    const names = dataTypeNames(dataType)
    // A tampered file can contain any number of them.
    if (dataTypes.size < 1000) dataTypes.set(dataType, names)
    return names
  }

  return (text, offeringSlug) => {
    if (text.length > longestEntry) return problem("entry", text, `expected at most ${longestEntry} characters`)
    const entry = parsed(text)
    const storageSystem = systems.get(offeringSlug)
    if (!isJsonObject(entry) || storageSystem === undefined) {
      return problem("entry", text, "expected an entry of a configured storage system")
    }
    const wrong = (field: string, found: unknown, wanted: string) => problem(field, found, `expected ${wanted}`)

    const { itemId, status, quotas, oldQuotas, newQuotas, parentItemId } = entry
    if (!isDashedUuid(itemId)) return wrong("itemId", itemId, "a UUID, lowercase and dashed")
    if (typeof status !== "string" || !statuses.has(status))
      return wrong("status", status, `one of ${entryStatuses.join(", ")}`)
    const path = property(entry.mountPoint, "default")
    if (typeof path !== "string" || !isServablePath(path, rule)) {
      return wrong("mountPoint.default", path, "a path that is served under the current settings")
    }
    const permission = property(entry.permission, "value")
    if (typeof permission !== "string" || !/^[0-7]{3,4}$/.test(permission)) {
      return wrong("permission.value", permission, "3 or 4 octal digits")
    }
    for (const [field, some] of [
      ["quotas", quotas],
      ["oldQuotas", oldQuotas],
      ["newQuotas", newQuotas],
    ] as const) {
      const isThere = field === "quotas" || some !== undefined
      if (isThere && some !== null && !areQuotas(some))
        return wrong(field, some, "null or the four quotas, none negative")
    }
    const dataType = property(entry.storageDataType, "key")
    if (typeof dataType !== "string" || dataType !== dataType.toLowerCase() || !isComponent(dataType)) {
      return wrong("storageDataType.key", dataType, "a data type")
    }
    const targetType = property(entry.target, "targetType")
    const item = property(entry.target, "targetItem")
    const isResource = targetType === "project" || targetType === "user"
    if (!isResource && targetType !== "tenant" && targetType !== "customer") {
      return wrong("target.targetType", targetType, "tenant, customer, project or user")
    }
    if (targetType === "tenant" ? parentItemId !== null : !isDashedUuid(parentItemId)) {
      return wrong("parentItemId", parentItemId, "the UUID of the entry above, null for a tenant")
    }
    const isItem = isResource ? isTargetItem(targetType, item, settings) : isOrganization(item, itemId)
    if (!isItem) return wrong("target.targetItem", item, `a ${targetType}'s item with UUIDs and GIDs that are served`)
    const urls: Record<string, unknown> = {}
    for (const [key, action] of callbackActions) {
      const url = entry[key]
      if (url === undefined) continue
      if (!isResource || !isCallbackUrl(url, action, itemId, origins)) {
        return wrong(key, url, `a URL that ends in /${action}/ on one of ${origins.join(", ")}`)
      }
      urls[key] = url
    }

    // Everything not checked above must be exactly what we write, once each and in our order: JSON can contain a key
    // twice, and another parser may use the other one.
    const again = JSON.stringify({
      itemId,
      status: isResource ? status : "pending",
      mountPoint: { default: path },
      permission: { permissionType: "octal", value: isResource ? permission : "775" },
      quotas: isResource ? ordered(quotas) : null,
      ...(isResource && oldQuotas !== undefined && { oldQuotas: ordered(oldQuotas) }),
      ...(isResource && newQuotas !== undefined && { newQuotas: ordered(newQuotas) }),
      target: { targetType, targetItem: item },
      storageSystem,
      storageFileSystem: fileSystem,
      storageDataType: namesOf(dataType),
      parentItemId,
      ...urls,
    })
    if (again !== text)
      return problem("entry", text, "expected the fields of an entry, each once and in the right order")
    return { itemId, status, dataType, isResource }
  }
}

/** Whether a stored entry was found invalid. */
export const isProblem = (checked: StoredEntry | Problem): checked is Problem => "reason" in checked

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isComponent = (value: string) => invalidComponent("", value) === undefined
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const isDashedUuid = (value: unknown): value is string =>
  typeof value === "string" && value.length === 36 && uuid.test(value)

/** Whether a mount point has valid components and the rule allows it. */
const isServablePath = (path: string, rule: PathRule): boolean =>
  path.length <= longestPath && path.startsWith("/") && path.slice(1).split("/").every(isComponent) && !rule(path)

const isMadeUid = (value: unknown) =>
  typeof value === "number" && Number.isInteger(value) && value >= 20_000 && value < 30_000

const isTargetItem = (targetType: "project" | "user", item: unknown, settings: ModelSettings): boolean => {
  if (!isJsonObject(item) || !isDashedUuid(item.itemId) || nestsDeeper(item, deepestItem)) return false
  if (targetType === "project") return isGid(item.unixGid, settings)
  return (
    (isGid(item.unixUid, settings) || isMadeUid(item.unixUid)) &&
    isGid(property(item.primaryProject, "unixGid"), settings)
  )
}

const isOrganization = (item: unknown, itemId: string): boolean =>
  isJsonObject(item) &&
  item.itemId === itemId &&
  typeof item.key === "string" &&
  isComponent(item.key) &&
  typeof item.name === "string" &&
  Object.keys(item).length === 3

/** Whether a value has more than `levels` levels of objects and lists. Recursion stops at that depth. */
const nestsDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => nestsDeeper(inner, levels - 1)))

const quotaOrder = [
  ["space", "tera", "soft"],
  ["space", "tera", "hard"],
  ["inodes", "none", "soft"],
  ["inodes", "none", "hard"],
] as const

const areQuotas = (quotas: unknown): boolean =>
  Array.isArray(quotas) &&
  quotas.length === quotaOrder.length &&
  quotaOrder.every(([type, unit, enforcementType], index) => {
    const one = quotas[index]
    if (property(one, "type") !== type || property(one, "unit") !== unit) return false
    const quota = property(one, "quota")
    return (
      property(one, "enforcementType") === enforcementType &&
      typeof quota === "number" &&
      Number.isFinite(quota) &&
      quota >= 0 &&
      (type === "space" || Number.isInteger(quota))
    )
  })

/** Checked quotas, reduced to their own fields. */
const ordered = (quotas: unknown) =>
  (quotas as ReadonlyArray<Readonly<Record<string, unknown>>> | null)?.map(
    ({ type, quota, unit, enforcementType }) => ({ type, quota, unit, enforcementType }),
  ) ?? null

/** The action of each callback URL, in the order of an entry's fields. */
const callbackActions = Object.entries({
  approve_by_provider_url: "approve_by_provider",
  reject_by_provider_url: "reject_by_provider",
  set_state_done_url: "set_state_done",
  set_state_erred_url: "set_state_erred",
  update_resource_options_url: "update_options_direct",
  set_backend_id_url: "set_backend_id",
  set_state_ok_url: "set_state_ok",
})
const actionsOfResource = new Set(["update_options_direct", "set_backend_id", "set_state_ok"])
/** Characters of a URL: more than any server accepts. */
const longestUrl = 8192

/** Whether a URL is plain, on a trusted origin, and performs this action on an order or on the entry's own resource. */
const isCallbackUrl = (url: unknown, action: string, itemId: string, origins: ReadonlyArray<string>): boolean => {
  if (typeof url !== "string" || url.length > longestUrl || !URL.canParse(url)) return false
  const { href, origin, pathname } = new URL(url)
  // Parsing must not change the text: no user, query, fragment, control character or anything else that needs repair.
  if (href !== url || url !== `${origin}${pathname}` || !origins.includes(origin)) return false
  const of = actionsOfResource.has(action) ? `/marketplace-provider-resources/${itemId}` : ""
  return pathname.endsWith(`${of}/${action}/`)
}

/**
 * Validates entries that an earlier process or another replica stored. Files and shared caches can be tampered with, so a
 * stored entry is trusted no more than a record from Waldur: the same rules apply to paths, GIDs, URLs and values.
 */
import { type Problem, problem } from "../report/finding.ts"
import { callbackActions, servedOrigins } from "../rules/callback-urls.ts"
import { isGid } from "../rules/gid.ts"
import { entryStatuses } from "../rules/lifecycle.ts"
import { invalidComponent, isMountPath, type PathRule, pathRule } from "../rules/mount-path.ts"
import { defaultPermissions, isOctal } from "../rules/permissions.ts"
import { isMockUid } from "../rules/target.ts"
import type { ModelSettings } from "../settings.ts"
import { isJsonObject, nestsDeeper, property } from "../waldur/json-object.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { deepestItem } from "./storage-entry.ts"
import { dataTypeName, fileSystemName, type StorageNames, systemName } from "./storage-names.ts"

/** What is known about a valid stored entry. */
export interface StoredEntry {
  readonly itemId: string
  readonly status: string
  readonly dataType: string
  /** Whether it belongs to a resource (project or user) and not to a tenant or customer. */
  readonly isResource: boolean
}

/** Characters of one entry's JSON: four times the largest target item, which has 64 kB. The rest of an entry is smaller. */
const longestEntry = 256 * 1024
/** Characters of a URL: several times longer than one that is served. */
const longestUrl = 8192
/** Data types whose names are kept: a tampered file can contain any number of them. */
const maxDataTypes = 1000

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
  const storageFileSystem = fileSystemName(settings)
  const rules: Rules = { settings, origins: servedOrigins(settings), forbidden: pathRule(settings.mountRoots) }
  const dataTypes = new Map<string, ReturnType<typeof dataTypeName>>()
  const namesOf = (dataType: string) => {
    const names = dataTypes.get(dataType) ?? dataTypeName(dataType)
    if (dataTypes.size < maxDataTypes) dataTypes.set(dataType, names)
    return names
  }

  return (text, offeringSlug) => {
    if (text.length > longestEntry) return problem("entry", text, `expected at most ${longestEntry} characters`)
    const entry = parsed(text)
    const storageSystem = systems.get(offeringSlug)
    if (!isJsonObject(entry) || storageSystem === undefined) {
      return problem("entry", text, "expected an entry of a configured storage system")
    }
    const wrong = wrongFieldOf(entry, rules)
    if (wrong !== undefined) return wrong
    const { itemId, status } = entry as { readonly itemId: string; readonly status: string }
    const dataType = String(property(entry.storageDataType, "key"))
    const names = { storageSystem, storageFileSystem, storageDataType: namesOf(dataType) }
    const isCanonical = rewritten(entry, names) === text
    if (!isCanonical) return problem("entry", text, "expected the fields of an entry, each once and in the right order")
    return { itemId, status, dataType, isResource: isOfResource(entry) }
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

type JsonObject = Readonly<Record<string, unknown>>

/** The configuration's part of the rules. */
interface Rules {
  readonly settings: ModelSettings
  readonly origins: ReadonlyArray<string>
  /** Why a path may not be served; `undefined` if it may. */
  readonly forbidden: PathRule
}

const targetTypeOf = (entry: JsonObject): unknown => property(entry.target, "targetType")
const isOfResource = (entry: JsonObject): boolean => targetTypeOf(entry) === "project" || targetTypeOf(entry) === "user"

const wrongFieldOf = (entry: JsonObject, rules: Rules): Problem | undefined => {
  for (const { field, keys, wanted, isValid } of checks) {
    const value = keys.reduce<unknown>(property, entry)
    if (!isValid(value, entry, rules)) return problem(field, value, `expected ${wanted}`)
  }
  for (const [field, { of, action }] of callbacks) {
    const url = entry[field]
    if (url === undefined) continue
    if (!isOfResource(entry))
      return problem(field, url, "expected no callback URL in the entry of a tenant or customer")
    const isIts = ([collection, id = ""]: ReadonlyArray<string>) =>
      of === "order"
        ? collection === "marketplace-orders" && orderId.test(id)
        : collection === "marketplace-provider-resources" && id === entry.itemId
    const path = pathOfTrusted(url, rules)?.slice(-4)
    if (path !== undefined && isIts(path) && path[2] === action) continue
    const wanted = of === "order" ? "/marketplace-orders/ORDER" : `/marketplace-provider-resources/${entry.itemId}`
    return problem(field, url, `expected a URL that ends in ${wanted}/${action}/ on one of ${rules.origins.join(", ")}`)
  }
  return undefined
}

const callbacks = Object.entries(callbackActions)

/**
 * The text of an entry whose fields are valid. Everything that is not checked must be exactly what we write, once
 * each and in our order: JSON can contain a key twice, and another parser may use the other one.
 */
const rewritten = (entry: JsonObject, names: StorageNames): string => {
  const { itemId, status, quotas, oldQuotas, newQuotas, parentItemId } = entry
  const isResource = isOfResource(entry)
  const mode = isResource ? property(entry.permission, "value") : defaultPermissions
  return JSON.stringify({
    itemId,
    status: isResource ? status : "pending",
    mountPoint: { default: property(entry.mountPoint, "default") },
    permission: { permissionType: "octal", value: mode },
    quotas: isResource ? ordered(quotas) : null,
    ...(isResource && { oldQuotas: ordered(oldQuotas), newQuotas: ordered(newQuotas) }),
    target: { targetType: targetTypeOf(entry), targetItem: property(entry.target, "targetItem") },
    ...names,
    parentItemId,
    // JSON omits the absent ones.
    ...Object.fromEntries(callbacks.map(([key]) => [key, entry[key]])),
  })
}

/** Checked quotas, reduced to their own fields; `null` and `undefined` stay. */
const ordered = (quotas: unknown): unknown =>
  Array.isArray(quotas)
    ? quotas.map(({ type, quota, unit, enforcementType }) => ({ type, quota, unit, enforcementType }))
    : quotas

type IsValid = (value: unknown, entry: JsonObject, rules: Rules) => boolean

const isComponent = (value: unknown): boolean => typeof value === "string" && invalidComponent("", value) === undefined
const isDashedUuid: IsValid = (value) => value !== undefined && dashedUuid(value) === value

/** Whether a mount point has valid components and the rule allows it. */
const isServablePath: IsValid = (path, _, { forbidden }) =>
  typeof path === "string" && isMountPath(path) && forbidden(path) === undefined

const isTargetItem: IsValid = (item, entry, rules) => {
  const { settings } = rules
  if (!isJsonObject(item) || nestsDeeper(item, deepestItem)) return false
  if (!isOfResource(entry)) {
    const isOrganization = item.itemId === entry.itemId && isComponent(item.key) && typeof item.name === "string"
    return isOrganization && Object.keys(item).length === 3
  }
  if (!isDashedUuid(item.itemId, entry, rules)) return false
  if (targetTypeOf(entry) === "project") return isGid(item.unixGid, settings)
  const isUid = isGid(item.unixUid, settings) || isMockUid(item.unixUid)
  return isUid && isGid(property(item.primaryProject, "unixGid"), settings)
}

const quotaOrder = [
  { type: "space", unit: "tera", enforcementType: "soft" },
  { type: "space", unit: "tera", enforcementType: "hard" },
  { type: "inodes", unit: "none", enforcementType: "soft" },
  { type: "inodes", unit: "none", enforcementType: "hard" },
].map((wanted) => ({
  fields: Object.entries(wanted),
  isAmount: wanted.type === "space" ? Number.isFinite : Number.isInteger,
}))

const areQuotas: IsValid = (quotas) =>
  quotas === null ||
  (Array.isArray(quotas) &&
    quotas.length === quotaOrder.length &&
    quotaOrder.every(({ fields, isAmount }, index) => {
      const quota = property(quotas[index], "quota")
      return (
        isAmount(quota) && Number(quota) >= 0 && fields.every(([key, value]) => property(quotas[index], key) === value)
      )
    }))

/** The id of an order in a URL: a single component. */
const orderId = /^[a-z0-9_-]+$/i
/** A path that every parser reads alike, with a slash at the end and without empty components or escapes. */
const plainPath = /^(\/[a-z0-9._~-]+)+\/$/i

/** The components of a plain URL's path, the last of which is empty; `undefined` if it is not plain, or its origin not trusted. */
const pathOfTrusted = (url: unknown, { origins }: Rules): ReadonlyArray<string> | undefined => {
  if (typeof url !== "string" || url.length > longestUrl || !URL.canParse(url)) return undefined
  const { href, origin, pathname } = new URL(url)
  // Parsing must not change the text: no user, query, fragment, control character or anything else that needs repair.
  const isPlain = href === url && url === `${origin}${pathname}` && plainPath.test(pathname)
  return isPlain && origins.includes(origin) ? pathname.split("/") : undefined
}

const fourQuotas = "null or the four quotas, none negative"
const orAbsent: IsValid = (quotas, ...rest) => quotas === undefined || areQuotas(quotas, ...rest)
const check = (field: string, wanted: string, isValid: IsValid) => ({ field, keys: field.split("."), wanted, isValid })

/** The checks of the fields that `rewritten` copies, except the callback URLs. A check may rely on those above it. */
const checks = [
  check("itemId", "a UUID, lowercase and dashed", isDashedUuid),
  check("status", `one of ${entryStatuses.join(", ")}`, (value) => entryStatuses.some((status) => status === value)),
  check("mountPoint.default", "a path that is served under the current settings", isServablePath),
  check("permission.value", "3 or 4 octal digits", isOctal),
  check("quotas", fourQuotas, areQuotas),
  check("oldQuotas", fourQuotas, orAbsent),
  check("newQuotas", fourQuotas, orAbsent),
  check("storageDataType.key", "a data type", (key) => isComponent(key) && key === String(key).toLowerCase()),
  check(
    "target.targetType",
    "tenant, customer, project or user",
    (type, entry) => type === "tenant" || type === "customer" || isOfResource(entry),
  ),
  check("parentItemId", "the UUID of the entry above, null for a tenant", (parent, entry, rules) =>
    targetTypeOf(entry) === "tenant" ? parent === null : isDashedUuid(parent, entry, rules),
  ),
  check("target.targetItem", "an item of the target's type, with UUIDs and GIDs that are served", isTargetItem),
]

/** Computes quotas from the limit and the options and attributes that override it; also before and after an Update. */
import { Result } from "effect"
import type { Quota } from "../entry/storage-entry.ts"
import { type Remark, remark } from "../report/finding.ts"
import type { Reason, RuleId } from "../report/rules.ts"
import { finiteDecimal } from "../waldur/decimal.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import type { WaldurOrder, WaldurResource } from "../waldur/resource.ts"
import { isInProgress } from "./lifecycle.ts"
import { badData, type DecidedField, type Derived, none, type Refusal, type Ruling, ruling } from "./ruling.ts"
import { isAttribute, type Layer, originsIn, originsOf, type Places, placesFrom } from "./storage-folder.ts"

/** How many inodes are granted per terabyte. */
export interface InodeSettings {
  /** Inodes per TB before the coefficients. Default 1,000,000. */
  readonly inodeBaseMultiplier: number
  /** Default 1.33. */
  readonly inodeSoftCoefficient: number
  /** Default 2.0. */
  readonly inodeHardCoefficient: number
}

/** An amount, the field that it comes from, and the rule that decided it. */
interface Amount extends Reason {
  readonly value: number
  readonly field: string
  readonly remarks: ReadonlyArray<Remark>
}

/** Which quotas of an entry: the current ones, or those before or after an Update. */
type Which = "" | "old " | "new "

/**
 * The fields of an override: an option in each of its spellings, of which those after the first are misspellings
 * that are in use in Waldur's forms; a field of the storage folder or of the attributes, except
 * for the soft space quota, which is the limit in Waldur's order form.
 */
const overrides = {
  softSpace: { option: ["soft_quota_space"], field: undefined },
  hardSpace: { option: ["hard_quota_space"], field: "hard_quota_space" },
  softInodes: { option: ["soft_quota_inodes", "soft_quota_indoes"], field: "soft_quota_inodes" },
  hardInodes: { option: ["hard_quota_inodes", "hard_quota_indoes"], field: "hard_quota_inodes" },
} as const
type Override = keyof typeof overrides

/**
 * Quotas as the options with which a provisioner reports them to Waldur (`update_options_direct`): `soft_quota_space` and
 * `hard_quota_space` in TB, `soft_quota_inodes` and `hard_quota_inodes` as counts.
 *
 * Quotas of 0 are omitted: an option of 0 is not an override, and Waldur's forms reject it. An empty object is not worth a
 * report. Once reported, options take precedence over later limits: report again after each Update.
 *
 * @param quotas `newQuotas` of an Update, else `quotas`; `null` if they are unknown
 */
export const quotaReport = (quotas: ReadonlyArray<Quota> | null): Readonly<Record<string, number>> =>
  Object.fromEntries(
    (quotas ?? [])
      .filter(({ quota }) => quota > 0)
      .map(({ type, enforcementType, quota }) => [overrides[overrideOf[type][enforcementType]].option[0], quota]),
  )

const overrideOf = {
  space: { soft: "softSpace", hard: "hardSpace" },
  inodes: { soft: "softInodes", hard: "hardInodes" },
} as const

/** The amount that follows from the limit: space, or inodes by a coefficient. */
const byLimit = (part: Override, limit: Amount, settings: InodeSettings): Amount => {
  if (part === "softSpace" || part === "hardSpace") return limit
  const [setting, coefficient] =
    part === "softInodes"
      ? ["inode_soft_coefficient", settings.inodeSoftCoefficient]
      : ["inode_hard_coefficient", settings.inodeHardCoefficient]
  const multiplier = settings.inodeBaseMultiplier
  const inodes = limit.value * multiplier * coefficient
  return {
    // A limit so small that the product underflows to 0 is still a limit.
    value: limit.value > 0 ? wholeInodes(Math.max(inodes, 1)) : 0,
    field: limit.field,
    rule: "quota/inodes-by-limit",
    facts: { multiplier, setting, coefficient },
    remarks: none,
  }
}

/**
 * Whole inodes: at least 1 for any positive amount, since file systems treat 0 as unlimited; at most 2^53 - 1, up to which
 * doubles are exact.
 */
const wholeInodes = (inodes: number): number =>
  inodes > 0 ? Math.min(Math.max(1, Math.trunc(inodes)), Number.MAX_SAFE_INTEGER) : 0

type Quotas = ReadonlyArray<Quota> | null

/**
 * The quotas for layered `limits` and overrides: space in TB (`tera`), inodes as a count (`none`), each soft before hard.
 * `null` if the hard space quota is not above 0. A soft quota or one of inodes is 0 if it follows from a limit of 0.
 *
 * @param replacedLimit the limit that an Update replaces; an override that only repeats what followed from it counts only
 *   if the order itself contains it
 */
const quotasFor = (
  limits: ReadonlyArray<Layer>,
  places: Places,
  settings: InodeSettings,
  which: Which,
  replacedLimit?: Amount,
): Derived<Quotas> => {
  const storage = storageLimit(limits, settings)
  const remarks: Array<Remark> = [...storage.remarks]
  const amountOf = (part: Override): Amount => {
    const old = replacedLimit === undefined ? undefined : byLimit(part, replacedLimit, settings).value
    return overrideFrom(places, part, old, remarks) ?? byLimit(part, storage, settings)
  }
  const [softSpace, hardSpace] = [amountOf("softSpace"), amountOf("hardSpace")]
  const [softInodes, hardInodes] = [amountOf("softInodes"), amountOf("hardInodes")]
  const space = notAbove(hardSpace, softSpace, "space", remarks)
  if (hardSpace.value <= 0) {
    const rulings = [ruling(`${which}quotas`, null, hardSpace.field, "quota/none", { by: hardSpace })]
    return { value: null, rulings, remarks }
  }
  const inodes = notAbove(hardInodes, softInodes, "inode", remarks)
  return {
    value: [
      { type: "space", quota: space.value, unit: "tera", enforcementType: "soft" },
      { type: "space", quota: hardSpace.value, unit: "tera", enforcementType: "hard" },
      { type: "inodes", quota: inodes.value, unit: "none", enforcementType: "soft" },
      { type: "inodes", quota: hardInodes.value, unit: "none", enforcementType: "hard" },
    ],
    rulings: [
      rulingOf(`${which}space soft`, space),
      rulingOf(`${which}space hard`, hardSpace),
      rulingOf(`${which}inodes soft`, inodes),
      rulingOf(`${which}inodes hard`, hardInodes),
    ],
    remarks,
  }
}

const rulingOf = (decides: DecidedField, { value, field, rule, facts }: Amount): Ruling<number> =>
  ruling(decides, value, field, rule, facts)

/** The soft quota, lowered to the hard one if it exceeds that; adds a remark then. */
const notAbove = (hard: Amount, soft: Amount, what: string, remarks: Array<Remark>): Amount => {
  if (soft.value <= hard.value) return soft
  const reason = `the soft ${what} quota is above the hard quota of ${hard.value}; lowered to it`
  remarks.push(remark("soft-above-hard", soft.field, soft.value, reason))
  return { ...soft, value: hard.value, rule: "quota/soft-above-hard", facts: { by: soft } }
}

const storageLimit = (limits: ReadonlyArray<Layer>, settings: InodeSettings): Amount => {
  const [origin] = originsOf(limits, ["storage"])
  const field = origin?.field ?? "limits.storage"
  const limit = (value: number, rule: RuleId, ...reasons: ReadonlyArray<string>): Amount => ({
    value,
    field,
    rule,
    facts: undefined,
    remarks: reasons.map((reason) => remark("ignored-value", field, origin?.found, reason)),
  })
  if (origin === undefined || origin.found === null) return limit(0, "quota/limit-missing")
  const value = finiteDecimal(origin.found)
  if (value === undefined || value < 0) {
    return limit(0, "quota/limit-unusable", "expected a non-negative number of TB of at most 2^53 - 1; treated as 0")
  }
  const isExact = value * settings.inodeBaseMultiplier * settings.inodeHardCoefficient <= Number.MAX_SAFE_INTEGER
  const most = `each inode quota is at most ${Number.MAX_SAFE_INTEGER}`
  return isExact
    ? limit(value, "quota/limit")
    : limit(value, "quota/limit", `results in more inodes than can be represented exactly; ${most}`)
}

/** @param old an amount that does not count as an override unless the order itself contains it */
const overrideFrom = (
  places: Places,
  part: Override,
  old: number | undefined,
  remarks: Array<Remark>,
): Amount | undefined => {
  const { option, field: further } = overrides[part]
  for (const origin of originsIn(places, option, further)) {
    const { field, found } = origin
    if (found === null) continue
    const given = finiteDecimal(found)
    if (given === undefined || given <= 0) {
      remarks.push(remark("ignored-value", field, found, "expected a number above 0 and of at most 2^53 - 1; ignored"))
      continue
    }
    const value = part === "softInodes" || part === "hardInodes" ? wholeInodes(given) : given
    if (value === old && !field.startsWith(orderPrefix)) continue
    const rule = isAttribute(origin) ? "quota/attribute" : "quota/option"
    return { value, field, rule, facts: undefined, remarks: none }
  }
  return undefined
}

const orderPrefix = "order_in_progress."

/** The quotas of an entry; `oldQuotas` and `newQuotas` only while an Update order changes limits or options. */
interface EntryQuotas {
  readonly quotas: ReadonlyArray<Quota> | null
  readonly oldQuotas?: ReadonlyArray<Quota> | null
  readonly newQuotas?: ReadonlyArray<Quota> | null
}

/**
 * The quotas of a resource's entry. Inodes without an override follow `limits.storage`, even if an option overrides the
 * space. A refusal if the order's options, merged over the resource's own, contain two different storage folders.
 *
 * @param places the resource's own overrides
 */
export const quotasOf = (
  resource: WaldurResource,
  places: Places,
  settings: InodeSettings,
): Derived<EntryQuotas> | Refusal => {
  const remarks: Array<Remark> = []
  const limits = layer("limits", resource.limits, remarks)
  const options = layer("options", resource.options, remarks)
  const now = quotasFor([limits], places, settings, "")
  remarks.push(...now.remarks)
  const change = changeOf(resource.order_in_progress, remarks)
  if (change === undefined) return { value: { quotas: now.value }, rulings: now.rulings, remarks: once(remarks) }

  const oldPlaces = placesFrom([options, change.oldOptions], resource.attributes)
  if (Result.isFailure(oldPlaces)) return badData(oldPlaces.failure, now.rulings, once(remarks))
  const newPlaces = placesFrom([options, change.newOptions], resource.attributes)
  if (Result.isFailure(newPlaces)) return badData(newPlaces.failure, now.rulings, once(remarks))
  const oldLimits = [limits, change.oldLimits]
  const newLimits = [limits, change.newLimits]
  const before = quotasFor(oldLimits, oldPlaces.success, settings, "old ")
  // Provisioners report the quotas that they set as options. One that only repeats the old limit must not hold back the new
  // one; after the order it counts again, unless the provisioner reports `newQuotas`.
  const oldLimit = storageLimit(oldLimits, settings)
  const newLimit = storageLimit(newLimits, settings)
  const replaced = newLimit.value === oldLimit.value ? undefined : oldLimit
  const after = quotasFor(newLimits, newPlaces.success, settings, "new ", replaced)
  remarks.push(...before.remarks, ...after.remarks)
  return {
    value: { quotas: now.value, oldQuotas: before.value, newQuotas: after.value },
    rulings: [...now.rulings, ...before.rulings, ...after.rulings],
    remarks: once(remarks),
  }
}

/** Deduplicates remarks by code and field, since old and new quotas read the resource's own values again. */
const once = (remarks: ReadonlyArray<Remark>): ReadonlyArray<Remark> =>
  remarks.filter(
    ({ code, problem: { field } }, at) =>
      remarks.findIndex((other) => other.code === code && other.problem.field === field) === at,
  )

const layer = (path: string, values: unknown, remarks: Array<Remark>): Layer => {
  if (values !== undefined && values !== null && !isJsonObject(values)) {
    remarks.push(remark("ignored-value", path, values, "expected an object; ignored"))
  }
  return { path, values }
}

/** What an Update order changes; `undefined` if none is in progress, or if it has neither limits nor options. */
const changeOf = (order: WaldurOrder | null | undefined, remarks: Array<Remark>) => {
  if (order?.type !== "Update" || !isInProgress(order)) return undefined
  const part = (path: string, values: unknown) => layer(`${orderPrefix}${path}`, values, remarks)
  const change = {
    oldLimits: part("attributes.old_limits", property(order.attributes, "old_limits")),
    newLimits: part("limits", order.limits),
    oldOptions: part("attributes.old_options", property(order.attributes, "old_options")),
    newOptions: part("attributes.new_options", property(order.attributes, "new_options")),
  }
  const isGiven = ({ values }: Layer) => isJsonObject(values) && Object.keys(values).length > 0
  return Object.values(change).some(isGiven) ? change : undefined
}

import { Result } from "effect"
import type { Quota } from "../entry/storage-entry.ts"
import { type Problem, problem, type Warn } from "../report/finding.ts"
import type { Note, QuotaPart } from "../report/note.ts"
import { finiteDecimal } from "../waldur/decimal.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import type { WaldurOrder, WaldurResource } from "../waldur/resource.ts"
import { isInProgress } from "./lifecycle.ts"
import { type Layer, type Places, placesOf } from "./storage-folder.ts"

/** How many inodes a terabyte brings. */
export interface InodeSettings {
  /** Inodes per TB before the coefficients. Default 1,000,000. */
  readonly inodeBaseMultiplier: number
  /** Default 1.33. */
  readonly inodeSoftCoefficient: number
  /** Default 2.0. */
  readonly inodeHardCoefficient: number
}

interface Origin {
  readonly field: string
  readonly found: unknown
}

/** An amount, the field that it comes from, and by what rule. */
interface Amount {
  readonly value: number
  readonly field: string
  readonly rule: string
}

/** What the four quotas of an entry are of: the resource as it is, or before or after an Update. */
type Which = "" | "old " | "new "

/**
 * What the layers say under the keys and where, the most telling first: a later layer's before an earlier one's, and
 * within a layer in the order of the keys: the others are misspellings that Waldur's forms have in use.
 */
const originsOf = (layers: ReadonlyArray<Layer>, keys: ReadonlyArray<string>): ReadonlyArray<Origin> => {
  const origins: Array<Origin & { readonly key: string }> = []
  for (const { path, values } of layers.toReversed()) {
    for (const key of keys) {
      const found = property(values, key)
      if (found === undefined || origins.some((origin) => origin.key === key)) continue
      origins.push({ key, field: `${path}.${key}`, found })
    }
  }
  return origins
}

/** Where an override stands: an option, in each of its spellings; a field of the storage folder or of the attributes. */
const overrides = {
  softSpace: { option: ["soft_quota_space"], field: undefined },
  hardSpace: { option: ["hard_quota_space"], field: "hard_quota_space" },
  softInodes: { option: ["soft_quota_inodes", "soft_quota_indoes"], field: "soft_quota_inodes" },
  hardInodes: { option: ["hard_quota_inodes", "hard_quota_indoes"], field: "hard_quota_inodes" },
} as const
type Override = keyof typeof overrides

const settingOf = { softInodes: "inodeSoftCoefficient", hardInodes: "inodeHardCoefficient" } as const

/** What the limit alone gives: as space, or as inodes by a coefficient. */
const byLimit = (part: Override, limit: Amount, settings: InodeSettings): Amount => {
  if (part === "softSpace" || part === "hardSpace") return limit
  const inodes = limit.value * settings.inodeBaseMultiplier * settings[settingOf[part]]
  // So small a limit that doubles make 0 of it is a limit all the same.
  return { value: limit.value > 0 ? wholeInodes(Math.max(inodes, 1)) : 0, field: limit.field, rule: byCoefficient }
}

/**
 * Whole inodes: at least 1 of anything, since file systems read 0 as unlimited, and at most 2^53 - 1, up to which a
 * double is exact.
 */
const wholeInodes = (inodes: number): number =>
  inodes > 0 ? Math.min(Math.max(1, Math.trunc(inodes)), Number.MAX_SAFE_INTEGER) : 0

/**
 * The quotas for layered `limits` and the places of overrides: space in TB (`tera`), inodes as a count (`none`), each
 * soft before hard. `null` where neither space quota is above 0.
 *
 * @param unlessRepeating the limit before an Update that changes it: what repeats it is no override
 */
const quotasFor = (
  limits: ReadonlyArray<Layer>,
  places: Places,
  settings: InodeSettings,
  warn: Warn,
  which: Which,
  note: Note | undefined,
  unlessRepeating?: Amount,
): ReadonlyArray<Quota> | null => {
  const storage = storageLimit(limits, settings, warn)
  const amountOf = (part: Override): Amount => {
    const old = unlessRepeating === undefined ? undefined : byLimit(part, unlessRepeating, settings).value
    return overrideFrom(places, part, old, warn) ?? byLimit(part, storage, settings)
  }
  const [softSpace, hardSpace] = [amountOf("softSpace"), amountOf("hardSpace")]
  const [softInodes, hardInodes] = [amountOf("softInodes"), amountOf("hardInodes")]

  const lowered = (what: string, soft: Amount, hard: Amount) => {
    if (soft.value <= hard.value) return soft.value
    const reason = `the soft ${what} quota is above the hard one of ${hard.value}; lowered to it`
    warn("soft-above-hard", problem(soft.field, soft.value, reason))
    return hard.value
  }
  const space = lowered("space", softSpace, hardSpace)
  if (space <= 0 && hardSpace.value <= 0) {
    note?.(
      `${which}quotas`,
      null,
      hardSpace.field,
      `neither space quota is above 0, so none is known: ${hardSpace.rule}`,
    )
    return null
  }
  const softInode = lowered("inode", softInodes, hardInodes)
  const hardInode = hardInodes.value
  if (note !== undefined) {
    const tell = (part: QuotaPart, quota: number, amount: Amount, hard: Amount, factors = "") => {
      const rule = `${amount.rule}${amount.rule === byCoefficient ? factors : ""}`
      const lower = amount.value > hard.value ? "; above the hard one, so lowered to it" : ""
      note(`${which}${part}`, quota, amount.field, `${rule}${lower}`)
    }
    const { inodeBaseMultiplier, inodeSoftCoefficient, inodeHardCoefficient } = settings
    const times = (name: string, coefficient: number) =>
      ` backend_settings.inode_base_multiplier (${inodeBaseMultiplier}) and backend_settings.${name} (${coefficient})`
    tell("space soft", space, softSpace, hardSpace)
    tell("space hard", hardSpace.value, hardSpace, hardSpace)
    tell("inodes soft", softInode, softInodes, hardInodes, times("inode_soft_coefficient", inodeSoftCoefficient))
    tell("inodes hard", hardInode, hardInodes, hardInodes, times("inode_hard_coefficient", inodeHardCoefficient))
  }
  return [
    { type: "space", quota: space, unit: "tera", enforcementType: "soft" },
    { type: "space", quota: hardSpace.value, unit: "tera", enforcementType: "hard" },
    { type: "inodes", quota: softInode, unit: "none", enforcementType: "soft" },
    { type: "inodes", quota: hardInode, unit: "none", enforcementType: "hard" },
  ]
}

const byCoefficient = "the limit in TB, whatever space an option gives, times"

const storageLimit = (limits: ReadonlyArray<Layer>, settings: InodeSettings, warn: Warn): Amount => {
  const [origin] = originsOf(limits, ["storage"])
  const field = origin?.field ?? "limits.storage"
  if (origin === undefined || origin.found === null)
    return { value: 0, field, rule: "the limit is missing or null: 0 TB" }
  const value = finiteDecimal(origin.found)
  if (value === undefined || value < 0) {
    warn("ignored-value", problem(field, origin.found, "expected a number of TB, not negative; taken as 0"))
    return { value: 0, field, rule: "the limit is not a number of TB that can be: taken as 0" }
  }
  if (value * settings.inodeBaseMultiplier * settings.inodeHardCoefficient > Number.MAX_SAFE_INTEGER) {
    const reason = `gives more inodes than can be told exactly; each inode quota of it is ${Number.MAX_SAFE_INTEGER} at most`
    warn("ignored-value", problem(field, origin.found, reason))
  }
  return { value, field, rule: "the limit in TB: no valid option goes before it" }
}

/** @param old the amount that is no override where a place other than the order's own has it */
const overrideFrom = (places: Places, part: Override, old: number | undefined, warn: Warn): Amount | undefined => {
  for (const { field, found } of originsIn(places, part)) {
    if (found === null) continue
    const given = finiteDecimal(found)
    if (given === undefined || given <= 0) {
      warn("ignored-value", problem(field, found, "expected a number above 0; ignored"))
      continue
    }
    const value = part === "softInodes" || part === "hardInodes" ? wholeInodes(given) : given
    if (value === old && !field.startsWith(inOrder)) continue
    const rule = field.startsWith("attributes")
      ? "an attribute of the order form goes before the limit"
      : "a valid option goes before the limit"
    return { value, field, rule }
  }
  return undefined
}

/** What the places say of an override, the first that counts first. */
const originsIn = (places: Places, part: Override): ReadonlyArray<Origin> => {
  const { option, field } = overrides[part]
  const origins = [...originsOf(places.options, option)]
  if (field === undefined) return origins
  for (const { path, values } of places.further) {
    const found = property(values, field)
    if (found !== undefined) origins.push({ field: `${path}.${field}`, found })
  }
  return origins
}

const inOrder = "order_in_progress."

/** The quotas of an entry; `oldQuotas` and `newQuotas` only while an Update order says from what to what. */
export interface EntryQuotas {
  readonly quotas: ReadonlyArray<Quota> | null
  readonly oldQuotas?: ReadonlyArray<Quota> | null
  readonly newQuotas?: ReadonlyArray<Quota> | null
}

/** The quotas of a project entry. Inodes follow `limits.storage` alone: space that an option overrides does not count. */
export const quotasOf = (
  resource: WaldurResource,
  settings: InodeSettings,
  warn: Warn,
  note?: Note,
): Result.Result<EntryQuotas, Problem> => {
  const told = new Set<string>()
  // The old and the new quotas read the resource's own values again.
  const once: Warn = (code, found: Problem) => {
    const key = `${code} ${found.field}`
    if (!told.has(key)) warn(code, found)
    told.add(key)
  }
  const limits = layer("limits", resource.limits, once)
  const options = layer("options", resource.options, once)
  const now = placesOf([options], resource.attributes)
  if (Result.isFailure(now)) return Result.fail(now.failure)
  const quotas = quotasFor([limits], now.success, settings, once, "", note)
  const change = changeOf(resource.order_in_progress, once)
  if (change === undefined) return Result.succeed({ quotas })
  const old = placesOf([options, change.oldOptions], resource.attributes)
  if (Result.isFailure(old)) return Result.fail(old.failure)
  const young = placesOf([options, change.newOptions], resource.attributes)
  if (Result.isFailure(young)) return Result.fail(young.failure)
  const oldLimits = [limits, change.oldLimits]
  const newLimits = [limits, change.newLimits]
  const oldQuotas = quotasFor(oldLimits, old.success, settings, once, "old ", note)
  // Provisioners report the quotas that they set as options: such a one must not outlive the limit that it came from.
  const before = storageLimit(oldLimits, settings, once)
  const isChanged = storageLimit(newLimits, settings, once).value !== before.value
  const newQuotas = quotasFor(newLimits, young.success, settings, once, "new ", note, isChanged ? before : undefined)
  return Result.succeed({ quotas, oldQuotas, newQuotas })
}

const layer = (path: string, values: unknown, warn: Warn): Layer => {
  if (values !== undefined && values !== null && !isJsonObject(values)) {
    warn("ignored-value", problem(path, values, "expected an object; ignored"))
  }
  return { path, values }
}

/** What an Update order in progress says it changes; `undefined` where it says nothing of limits or options. */
const changeOf = (order: WaldurOrder | null | undefined, warn: Warn) => {
  if (order?.type !== "Update" || !isInProgress(order)) return undefined
  const part = (path: string, values: unknown) => layer(`${inOrder}${path}`, values, warn)
  const change = {
    oldLimits: part("attributes.old_limits", property(order.attributes, "old_limits")),
    newLimits: part("limits", order.limits),
    oldOptions: part("attributes.old_options", property(order.attributes, "old_options")),
    newOptions: part("attributes.new_options", property(order.attributes, "new_options")),
  }
  const says = ({ values }: Layer) => isJsonObject(values) && Object.keys(values).length > 0
  return Object.values(change).some(says) ? change : undefined
}

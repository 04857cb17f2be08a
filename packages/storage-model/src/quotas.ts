import { finiteDecimal } from "./decimal.ts"
import { type Problem, problem, type Warn } from "./finding.ts"
import { isJsonObject, property } from "./json-object.ts"
import type { Note, QuotaPart } from "./note.ts"
import type { Quota } from "./storage-entry.ts"
import type { WaldurOrder, WaldurResource } from "./waldur-resource.ts"

/** How many inodes a terabyte brings. */
export interface InodeSettings {
  /** Inodes per TB before the coefficients. Default 1,000,000. */
  readonly inodeBaseMultiplier: number
  /** Default 1.33. */
  readonly inodeSoftCoefficient: number
  /** Default 2.0. */
  readonly inodeHardCoefficient: number
}

/** A JSON object of Waldur's and the path that findings give it. A later layer's keys win over an earlier one's. */
interface Layer {
  readonly path: string
  readonly values: unknown
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

const overrideKeys = {
  softSpace: ["soft_quota_space"],
  hardSpace: ["hard_quota_space"],
  softInodes: ["soft_quota_inodes", "soft_quota_indoes"],
  hardInodes: ["hard_quota_inodes", "hard_quota_indoes"],
} as const

/**
 * The quotas for layered `limits` and `options`: space in TB (`tera`), inodes as a count (`none`), each soft before
 * hard. `null` where neither space quota is above 0.
 */
const quotasFor = (
  limits: ReadonlyArray<Layer>,
  options: ReadonlyArray<Layer>,
  settings: InodeSettings,
  warn: Warn,
  which: Which,
  note: Note | undefined,
): ReadonlyArray<Quota> | null => {
  const inodes = (terabytes: number, coefficient: number) =>
    Math.trunc(terabytes * settings.inodeBaseMultiplier * coefficient)
  const storage = storageLimit(limits, (tb) => inodes(tb, settings.inodeHardCoefficient), warn)
  const override = (keys: ReadonlyArray<string>) => overrideFrom(options, keys, warn)

  const softSpace = override(overrideKeys.softSpace) ?? storage
  const hardSpace = override(overrideKeys.hardSpace) ?? storage
  const computed = (coefficient: number): Amount => ({
    value: inodes(storage.value, coefficient),
    field: storage.field,
    rule: byCoefficient,
  })
  const softInodes = override(overrideKeys.softInodes) ?? computed(settings.inodeSoftCoefficient)
  const hardInodes = override(overrideKeys.hardInodes) ?? computed(settings.inodeHardCoefficient)

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
  const softInode = Math.trunc(lowered("inode", softInodes, hardInodes))
  const hardInode = Math.trunc(hardInodes.value)
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

const storageLimit = (limits: ReadonlyArray<Layer>, inodes: (terabytes: number) => number, warn: Warn): Amount => {
  const [origin] = originsOf(limits, ["storage"])
  const field = origin?.field ?? "limits.storage"
  if (origin === undefined || origin.found === null)
    return { value: 0, field, rule: "the limit is missing or null: 0 TB" }
  const value = finiteDecimal(origin.found)
  if (value !== undefined && value >= 0 && Number.isFinite(inodes(value))) {
    return { value, field, rule: "the limit in TB: no valid option goes before it" }
  }
  warn("ignored-value", problem(field, origin.found, "expected a number of TB, not negative; taken as 0"))
  return { value: 0, field, rule: "the limit is not a number of TB that can be: taken as 0" }
}

const overrideFrom = (options: ReadonlyArray<Layer>, keys: ReadonlyArray<string>, warn: Warn): Amount | undefined => {
  for (const { field, found } of originsOf(options, keys)) {
    if (found === null) continue
    const value = finiteDecimal(found)
    if (value !== undefined && value >= 0) return { value, field, rule: "a valid option goes before the limit" }
    warn("ignored-value", problem(field, found, "expected a number, not negative; ignored"))
  }
  return undefined
}

/** The quotas of an entry; `oldQuotas` and `newQuotas` only while an Update order says from what to what. */
export interface EntryQuotas {
  readonly quotas: ReadonlyArray<Quota> | null
  readonly oldQuotas?: ReadonlyArray<Quota> | null
  readonly newQuotas?: ReadonlyArray<Quota> | null
}

/** The quotas of a project entry. Inodes follow `limits.storage` alone: space that an option overrides does not count. */
export const quotasOf = (resource: WaldurResource, settings: InodeSettings, warn: Warn, note?: Note): EntryQuotas => {
  const told: Array<string> = []
  // The old and the new quotas read the resource's own values again.
  const once: Warn = (code, found: Problem) => {
    const key = `${code} ${found.field}`
    if (!told.includes(key)) warn(code, found)
    told.push(key)
  }
  const limits = layer("limits", resource.limits, once)
  const options = layer("options", resource.options, once)
  const quotas = quotasFor([limits], [options], settings, once, "", note)
  const change = changeOf(resource.order_in_progress, once)
  if (change === undefined) return { quotas }
  return {
    quotas,
    oldQuotas: quotasFor([limits, change.oldLimits], [options, change.oldOptions], settings, once, "old ", note),
    newQuotas: quotasFor([limits, change.newLimits], [options, change.newOptions], settings, once, "new ", note),
  }
}

const layer = (path: string, values: unknown, warn: Warn): Layer => {
  if (values !== undefined && values !== null && !isJsonObject(values)) {
    warn("ignored-value", problem(path, values, "expected an object; ignored"))
  }
  return { path, values }
}

/** What an Update order says it changes; `undefined` where it says nothing of limits or options. */
const changeOf = (order: WaldurOrder | null | undefined, warn: Warn) => {
  if (order?.type !== "Update") return undefined
  const part = (path: string, values: unknown) => layer(`order_in_progress.${path}`, values, warn)
  const change = {
    oldLimits: part("attributes.old_limits", property(order.attributes, "old_limits")),
    newLimits: part("limits", order.limits),
    oldOptions: part("attributes.old_options", property(order.attributes, "old_options")),
    newOptions: part("attributes.new_options", property(order.attributes, "new_options")),
  }
  const says = ({ values }: Layer) => isJsonObject(values) && Object.keys(values).length > 0
  return Object.values(change).some(says) ? change : undefined
}

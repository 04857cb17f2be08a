/** The quotas that the contract (section 2) wants, and how the peers' habits change them. */
import { at, isObject, type JsonObject } from "./json-values.ts"

/** A way in which a peer counts otherwise. None of them is the contract. */
export type QuotaHabit =
  | "soft-space-option-unread"
  | "soft-above-hard-kept"
  | "only-indoes-read"
  | "indoes-unread"
  | "true-is-one"
  | "negative-option-taken"
  | "order-options-replace"

const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i

/** A finite decimal, as a number or a text; `undefined` for anything else. */
export const numberIn = (value: unknown): number | undefined => {
  const number =
    typeof value === "string" && decimal.test(value.trim()) ? Number(value) : typeof value === "number" ? value : NaN
  return Number.isFinite(number) ? number : undefined
}

const none: ReadonlySet<QuotaHabit> = new Set()

export type QuotaField = "quotas" | "oldQuotas" | "newQuotas"

/** What `field` of the resource's entry is; `undefined` where it is absent. */
export const expectedQuotas = (
  row: JsonObject,
  field: QuotaField,
  habits: ReadonlySet<QuotaHabit> = none,
): ReadonlyArray<unknown> | null | undefined => {
  if (field === "quotas") return quotas(objectIn(row.limits), objectIn(row.options), habits)
  const change = changeIn(row)
  if (change === undefined) return undefined
  const limits = field === "oldQuotas" ? change.oldLimits : change.newLimits
  const options = field === "oldQuotas" ? change.oldOptions : change.newOptions
  const replaces = habits.has("order-options-replace") && Object.keys(options).length > 0
  return quotas(
    { ...objectIn(row.limits), ...limits },
    { ...(replaces ? {} : objectIn(row.options)), ...options },
    habits,
  )
}

const objectIn = (value: unknown): JsonObject => (isObject(value) ? value : {})

const changeIn = (row: JsonObject) => {
  const order = row.order_in_progress
  if (at(order, "type") !== "Update") return undefined
  const change = {
    oldLimits: objectIn(at(order, "attributes.old_limits")),
    newLimits: objectIn(at(order, "limits")),
    oldOptions: objectIn(at(order, "attributes.old_options")),
    newOptions: objectIn(at(order, "attributes.new_options")),
  }
  return Object.values(change).some((part) => Object.keys(part).length > 0) ? change : undefined
}

const quotas = (
  limits: JsonObject,
  options: JsonObject,
  habits: ReadonlySet<QuotaHabit>,
): ReadonlyArray<unknown> | null => {
  const limit = limits.storage === true && habits.has("true-is-one") ? 1 : (numberIn(limits.storage) ?? 0)
  const storage = Math.max(limit, 0)
  const option = (name: string) => {
    const number = numberIn(options[name])
    return number === undefined || (number < 0 && !habits.has("negative-option-taken")) ? undefined : number
  }
  const inodes = (side: "soft" | "hard", coefficient: number) =>
    (habits.has("only-indoes-read") ? undefined : option(`${side}_quota_inodes`)) ??
    (habits.has("indoes-unread") ? undefined : option(`${side}_quota_indoes`)) ??
    storage * 1_000_000 * coefficient
  const lowered = (soft: number, hard: number) => (habits.has("soft-above-hard-kept") ? soft : Math.min(soft, hard))

  const hardSpace = option("hard_quota_space") ?? storage
  const softSpace = lowered(
    (habits.has("soft-space-option-unread") ? undefined : option("soft_quota_space")) ?? storage,
    hardSpace,
  )
  const hardInodes = Math.trunc(inodes("hard", 2))
  const softInodes = Math.trunc(lowered(inodes("soft", 1.33), hardInodes))
  if (softSpace <= 0 && hardSpace <= 0) return null
  return [
    { type: "space", quota: softSpace, unit: "tera", enforcementType: "soft" },
    { type: "space", quota: hardSpace, unit: "tera", enforcementType: "hard" },
    { type: "inodes", quota: softInodes, unit: "none", enforcementType: "soft" },
    { type: "inodes", quota: hardInodes, unit: "none", enforcementType: "hard" },
  ]
}

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
  | "zero-option-taken"
  | "no-inode-left"
  | "repeated-option-kept"
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
  const all = { ...(replaces ? {} : objectIn(row.options)), ...options }
  const isRepeated = field === "newQuotas" && !habits.has("repeated-option-kept")
  return quotas(
    { ...objectIn(row.limits), ...limits },
    isRepeated ? withoutRepeated(all, objectIn(row.limits), change) : all,
    habits,
  )
}

/** Without the options that repeat what the limit before gave, where the order changes it and does not name them. */
const withoutRepeated = (
  options: JsonObject,
  limits: JsonObject,
  { oldLimits, newLimits, newOptions }: Change,
): JsonObject => {
  const storageOf = (over: JsonObject) => Math.max(numberIn({ ...limits, ...over }.storage) ?? 0, 0)
  const before = storageOf(oldLimits)
  if (storageOf(newLimits) === before) return options
  const [softSpace, hardSpace, softInodes, hardInodes] = [
    before,
    before,
    inodesOf(before * 1_000_000 * 1.33),
    inodesOf(before * 1_000_000 * 2),
  ]
  const repeated: Readonly<Record<string, number>> = {
    soft_quota_space: softSpace,
    hard_quota_space: hardSpace,
    soft_quota_inodes: softInodes,
    soft_quota_indoes: softInodes,
    hard_quota_inodes: hardInodes,
    hard_quota_indoes: hardInodes,
  }
  return Object.fromEntries(
    Object.entries(options).filter(
      ([name, value]) => Object.hasOwn(newOptions, name) || numberIn(value) !== repeated[name],
    ),
  )
}

/** At least one of what is not nothing. */
const inodesOf = (amount: number): number => (amount > 0 ? Math.max(1, Math.trunc(amount)) : 0)

/** Whether nothing more comes of an order. */
export const hasEnded = (order: unknown): boolean =>
  ["done", "erred", "canceled", "rejected"].includes(String(at(order, "state")))

const objectIn = (value: unknown): JsonObject => (isObject(value) ? value : {})

interface Change {
  readonly oldLimits: JsonObject
  readonly newLimits: JsonObject
  readonly oldOptions: JsonObject
  readonly newOptions: JsonObject
}

const changeIn = (row: JsonObject): Change | undefined => {
  const order = row.order_in_progress
  if (at(order, "type") !== "Update" || hasEnded(order)) return undefined
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
    if (number === 0) return habits.has("zero-option-taken") ? 0 : undefined
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
  const whole = habits.has("no-inode-left") || habits.has("negative-option-taken") ? Math.trunc : inodesOf
  const hardInodes = whole(inodes("hard", 2))
  const softInodes = lowered(whole(inodes("soft", 1.33)), hardInodes)
  if (softSpace <= 0 && hardSpace <= 0) return null
  return [
    { type: "space", quota: softSpace, unit: "tera", enforcementType: "soft" },
    { type: "space", quota: hardSpace, unit: "tera", enforcementType: "hard" },
    { type: "inodes", quota: softInodes, unit: "none", enforcementType: "soft" },
    { type: "inodes", quota: hardInodes, unit: "none", enforcementType: "hard" },
  ]
}

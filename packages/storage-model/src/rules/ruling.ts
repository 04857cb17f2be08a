/**
 * The result of a rule: a value with the field and the rule that decided it, or a refusal. The tree uses the value;
 * `explain` renders the same ruling, so no rule is written down twice.
 */
import { type Problem, problem, type Remark, type SkipCode } from "../report/finding.ts"
import type { Facts, Reason, RuleId } from "../report/rules.ts"

/** One of the four quotas. */
type QuotaPart = "space soft" | "space hard" | "inodes soft" | "inodes hard"

/** What a rule decides. Quotas before and after an Update order have the prefix `old` or `new`. */
export type DecidedField =
  | "storage system"
  | "data type"
  | "state"
  | "status"
  | "path"
  | "permission"
  | "removal"
  | "target"
  | "target item"
  | "gid"
  | "uid"
  | "quotas"
  | "old quotas"
  | "new quotas"
  | QuotaPart
  | `old ${QuotaPart}`
  | `new ${QuotaPart}`
  | "callback URLs"
  | "tenant"
  | "customer"

/** A value with the rule that decided it. */
export interface Ruling<A = unknown> extends Reason {
  readonly decides: DecidedField
  readonly value: A
  /** The path of a field in Waldur's record, the path of a setting, or the name of another source. */
  readonly field: string
  /** Warnings about the record that do not affect the value. */
  readonly remarks: ReadonlyArray<Remark>
}

/** A value that results from several rulings. */
export interface Derived<A> {
  readonly value: A
  readonly rulings: ReadonlyArray<Ruling>
  readonly remarks: ReadonlyArray<Remark>
}

/** Why a resource is skipped, with the rulings made before. */
export interface Refusal {
  readonly code: SkipCode
  readonly problem: Problem
  readonly rulings: ReadonlyArray<Ruling>
  readonly remarks: ReadonlyArray<Remark>
}

export const isRefusal = (ruled: object): ruled is Refusal => "problem" in ruled

/** A shared empty list. */
export const none: ReadonlyArray<never> = []

export const ruling = <A>(
  decides: DecidedField,
  value: A,
  field: string,
  rule: RuleId,
  facts?: Facts,
  remarks: ReadonlyArray<Remark> = none,
): Ruling<A> => ({ decides, value, field, rule, facts, remarks })

export const refuse = (
  code: SkipCode,
  problem: Problem,
  rulings: ReadonlyArray<Ruling> = none,
  remarks: ReadonlyArray<Remark> = none,
): Refusal => ({ code, problem, rulings, remarks })

export const badData = (problem: Problem, rulings?: ReadonlyArray<Ruling>, remarks?: ReadonlyArray<Remark>): Refusal =>
  refuse("bad-data", problem, rulings, remarks)

/**
 * Applies a rule to one record. An unexpected exception costs only this record its place in the list. Only the error's name is
 * reported, since its message may quote the record.
 */
export const ofOneRecord = <A>(rule: () => A): A | Refusal => {
  try {
    return rule()
  } catch (error) {
    const kind = error instanceof Error ? error.name : "unknown"
    return badData(problem("", null, `cannot be processed: an error of the kind ${kind}`))
  }
}

/**
 * What a rule returns: a value together with the field and the rule that decided it, or a refusal. The tree takes the
 * value; `explain` renders the same ruling, so that no rule is written down a second time.
 */
import { type Problem, problem, type Remark, type SkipCode } from "../report/finding.ts"
import type { Facts, Reason, RuleId } from "../report/rules.ts"

/** One of the four quotas. */
export type QuotaPart = "space soft" | "space hard" | "inodes soft" | "inodes hard"

/** What of an entry a rule decides. Quotas before and after an Update order have `old` and `new` before their name. */
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

/** A value that a rule decided. */
export interface Ruling<A = unknown> extends Reason {
  readonly decides: DecidedField
  readonly value: A
  /** The field of Waldur's record by its path, a setting's path, or another source by its name. */
  readonly field: string
  /** What is odd about the record, though the value stands. */
  readonly remarks: ReadonlyArray<Remark>
}

/** A value that several rulings make up. */
export interface Decided<A> {
  readonly value: A
  readonly rulings: ReadonlyArray<Ruling>
  readonly remarks: ReadonlyArray<Remark>
}

/** Why a resource is skipped, and what was decided before. */
export interface Refusal {
  readonly code: SkipCode
  readonly problem: Problem
  readonly rulings: ReadonlyArray<Ruling>
  readonly remarks: ReadonlyArray<Remark>
}

export const isRefusal = (ruled: object): ruled is Refusal => "problem" in ruled

/** In place of a list of its own for each of many that have nothing. */
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
 * What a rule makes of one record. A throw that no rule foresees costs that record its place, never the list; its kind
 * alone is reported, for its message may quote the record.
 */
export const ofOneRecord = <A>(rule: () => A): A | Refusal => {
  try {
    return rule()
  } catch (error) {
    const kind = error instanceof Error ? error.name : "unknown"
    return badData(problem("", null, `cannot be processed: an error of the kind ${kind}`))
  }
}

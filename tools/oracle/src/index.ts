/**
 * The expected list of the proxy, computed from Waldur's rows by the contract and independent of the proxy's code: a
 * misread rule is noticed, unless both misread it in the same way.
 */
export { checkList, type ListedEntries, type Mismatch } from "./check-list.ts"
export { isBeingRemoved, statuses, systems } from "./expected-entry.ts"
export { type History, historyOf, overlaps, type Span } from "./history.ts"
export { type Filter, type Oracle, oracleOf, type Window } from "./oracle.ts"

import type { Note } from "../report/note.ts"
import type { WaldurOrder } from "../waldur/resource.ts"

/** The states of a marketplace resource in Waldur, as the `state` filter takes them. */
export const waldurStates = ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated"] as const
/** A state of a marketplace resource in Waldur. */
export type WaldurState = (typeof waldurStates)[number]

/** What an entry's status can be, each for one of Waldur's states. */
export const entryStatuses = ["pending", "active", "error", "updating", "removing", "removed"] as const
/** The status of an entry. */
export type EntryStatus = (typeof entryStatuses)[number]

const statusByState: Readonly<Record<string, EntryStatus>> = {
  Creating: "pending",
  OK: "active",
  Erred: "error",
  Updating: "updating",
  Terminating: "removing",
  Terminated: "removed",
}

/** A resource's state as a text; empty, and so no state that we know, where Waldur gives none or something else. */
export const stateOf = (state: unknown): string => (typeof state === "string" ? state : "")

/** An entry's status for a Waldur state; `pending` for a state that we do not know. */
export const statusOf = (state: string, note?: Note): EntryStatus => {
  const known = Object.hasOwn(statusByState, state) ? statusByState[state] : undefined
  note?.(
    "status",
    known ?? "pending",
    "state",
    known === undefined ? "a state that is not one of Waldur's is pending" : `a resource that is ${state} is ${known}`,
  )
  return known ?? "pending"
}

/** Whether a resource in a state is being removed, or is gone. */
export const isRemoval = (state: string): boolean => state === "Terminating" || state === "Terminated"

/** The states of an order that has reached the provider and is not at its end. */
const atProvider = new Set(["pending-provider", "executing"])

/**
 * Whether a resource is being removed although no order in progress that we know asks for it: none at all, one of
 * another type, or one in a state that we do not know, such as a state of a later Waldur. One that is gone needs no
 * order, but an order in progress of a type that we do not know, such as its restoration, speaks against its removal.
 * Compared exactly, so that what is doubtful is not removed.
 *
 * @param state as the provider sees it
 */
export const lacksRemovalOrder = (state: string, order: WaldurOrder | null | undefined): boolean => {
  if (order?.type === "Terminate" && atProvider.has(order.state ?? "")) return false
  return state === "Terminating" || (state === "Terminated" && isInProgress(order) && !knowsType(order))
}

const orderTypes = new Set(["Create", "Update", "Terminate"])
/** An order without a type asks for nothing else than the state says. */
const knowsType = ({ type }: WaldurOrder) => type === undefined || type === null || type === "" || orderTypes.has(type)

/** Whether a resource has data that somebody may want to keep: that of a removal which lacks its order, too. */
export const mayBeLive = (state: string, order: WaldurOrder | null | undefined): boolean =>
  !isRemoval(state) || lacksRemovalOrder(state, order)

/** Order states in which the consumer's side still has to agree: no business of the provider's yet. */
const beforeProvider = new Set(["pending-consumer", "pending-project", "pending-start-date"])

/** What a resource's state means for the provider. */
export type ProviderView = { readonly visible: false } | { readonly visible: true; readonly state: string }

/**
 * A change that the consumer's side has not agreed to has not happened yet: a resource whose update or removal waits
 * there counts as OK, and one whose creation waits there does not exist (Waldur's `visible_to_providers` hides it too).
 */
export const providerView = (state: unknown, order: WaldurOrder | null | undefined, note?: Note): ProviderView => {
  const waits = waitsForConsumer(order)
  if (waits && state === "Creating") return { visible: false }
  if (waits && (state === "Updating" || state === "Terminating")) {
    note?.(
      "state",
      "OK",
      "order_in_progress.state",
      `${state} in Waldur, but its order is ${order?.state} and has not reached the provider: so it counts as OK`,
    )
    return { visible: true, state: "OK" }
  }
  note?.("state", stateOf(state), "state", "as Waldur has it")
  return { visible: true, state: stateOf(state) }
}

/** Whether the consumer's side still has to agree to an order, so that it has not reached the provider. */
export const waitsForConsumer = (order: WaldurOrder | null | undefined): boolean =>
  beforeProvider.has(order?.state ?? "")

/** The order states of which nothing more comes. */
const ended = new Set(["done", "erred", "canceled", "rejected"])

/** Whether something may still come of an order; also of one in a state that we do not know. */
export const isInProgress = (order: WaldurOrder | null | undefined): order is WaldurOrder =>
  order !== undefined && order !== null && !ended.has(order.state ?? "")

/** Maps Waldur's states to what the provider sees and to a status, and decides which removals may be acted on. */
import { problem } from "../report/finding.ts"
import type { WaldurOrder, WaldurResource } from "../waldur/resource.ts"
import { type Refusal, type Ruling, refuse, ruling } from "./ruling.ts"

/** The states of a marketplace resource in Waldur, and the values of the `state` filter. */
export const waldurStates = ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated"] as const
/** A state of a marketplace resource in Waldur. */
export type WaldurState = (typeof waldurStates)[number]

/** The statuses of an entry, one for each of Waldur's states. */
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

/** A resource's state as a text; empty, and so unknown, if it is missing or not a text. */
export const stateOf = (state: unknown): string => (typeof state === "string" ? state : "")

const unknownStatus = ruling<EntryStatus>("status", "pending", "state", "status/unknown-state")
const statusRulings: Readonly<Record<string, Ruling<EntryStatus>>> = Object.fromEntries(
  Object.entries(statusByState).map(([state, status]) => [
    state,
    ruling("status", status, "state", "status/by-state", { state, status }),
  ]),
)

/** An entry's status for a Waldur state, as a ruling. */
export const statusRuling = (state: string): Ruling<EntryStatus> =>
  (Object.hasOwn(statusRulings, state) ? statusRulings[state] : undefined) ?? unknownStatus

/** An entry's status for a Waldur state; `pending` for an unknown state. */
export const statusOf = (state: string): EntryStatus => statusRuling(state).value

/** Whether a resource in this state is being removed or has been removed. */
export const isRemoval = (state: string): boolean => state === "Terminating" || state === "Terminated"

/** The states of an order that has reached the provider and has not ended. */
const atProvider = new Set(["pending-provider", "executing"])

/**
 * Whether a removal lacks the order that it needs. A Terminating resource needs a Terminate order that is pending-provider
 * or executing: one that has ended, or is in a state of a later Waldur version, does not count. A Terminated resource needs
 * none, but an order in progress of an unknown type, such as a restoration, blocks its removal. Values compare exactly, so a
 * doubtful case is not removed.
 *
 * @param state as the provider sees it
 */
export const lacksRemovalOrder = (state: string, order: WaldurOrder | null | undefined): boolean => {
  if (order?.type === "Terminate" && atProvider.has(order.state ?? "")) return false
  return state === "Terminating" || (state === "Terminated" && isInProgress(order) && !knowsType(order))
}

const orderTypes = new Set(["Create", "Update", "Terminate"])
/** An order without a type does not contradict the resource's state. */
const knowsType = ({ type }: WaldurOrder) => type === undefined || type === null || type === "" || orderTypes.has(type)

/** Whether a resource's data may have to be kept; also if its removal lacks an order. */
export const mayBeLive = (state: string, order: WaldurOrder | null | undefined): boolean =>
  !isRemoval(state) || lacksRemovalOrder(state, order)

/** Order states in which the consumer's side has yet to approve, so the provider must not act. */
const beforeProvider = new Set(["pending-consumer", "pending-project", "pending-start-date"])

/** A resource as the provider sees it. */
type ProviderView = { readonly visible: false } | { readonly visible: true; readonly state: string }

/**
 * A change that the consumer's side has not approved has not happened yet: a resource whose update or removal waits for
 * approval counts as OK, and one whose creation waits is invisible (Waldur's `visible_to_providers` hides it too).
 */
export const providerView = (state: unknown, order: WaldurOrder | null | undefined): ProviderView => {
  const waits = waitsForConsumer(order)
  if (waits && state === "Creating") return { visible: false }
  const isPostponed = waits && (state === "Updating" || state === "Terminating")
  return { visible: true, state: isPostponed ? "OK" : stateOf(state) }
}

const asGiven = new Map(
  waldurStates.map((state) => [state as string, ruling("state", state as string, "state", "state/as-given")]),
)

/** The state of a resource as the provider sees it; a refusal if the resource is not visible to the provider yet. */
export const stateRuling = ({ state, order_in_progress: order }: WaldurResource): Ruling<string> | Refusal => {
  const view = providerView(state, order)
  if (!view.visible) {
    return refuse(
      "order-not-approved",
      problem("order_in_progress.state", order?.state, "has not reached the provider yet"),
    )
  }
  const given = stateOf(state)
  if (view.state === given) return asGiven.get(given) ?? ruling("state", given, "state", "state/as-given")
  const facts = { state: given, order: order?.state ?? "" }
  return ruling("state", view.state, "order_in_progress.state", "state/before-provider", facts)
}

/** Whether the consumer's side has yet to approve an order, so that it has not reached the provider. */
export const waitsForConsumer = (order: WaldurOrder | null | undefined): boolean =>
  beforeProvider.has(order?.state ?? "")

/** The final states of an order. */
const ended = new Set(["done", "erred", "canceled", "rejected"])

/** Whether an order has not ended; an order in an unknown state counts as in progress. */
export const isInProgress = (order: WaldurOrder | null | undefined): order is WaldurOrder =>
  order !== undefined && order !== null && !ended.has(order.state ?? "")

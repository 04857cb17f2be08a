/** States: what Waldur's mean for the provider, which status each becomes, and which removals may be acted on. */
import { problem } from "../report/finding.ts"
import type { WaldurOrder, WaldurResource } from "../waldur/resource.ts"
import { type Refusal, type Ruling, refuse, ruling } from "./ruling.ts"

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

const unknownStatus = ruling<EntryStatus>("status", "pending", "state", "status/unknown-state")
const statusRulings: Readonly<Record<string, Ruling<EntryStatus>>> = Object.fromEntries(
  Object.entries(statusByState).map(([state, status]) => [
    state,
    ruling("status", status, "state", "status/by-state", { state, status }),
  ]),
)

/** An entry's status for a Waldur state, and why it is that one. */
export const statusRuling = (state: string): Ruling<EntryStatus> =>
  (Object.hasOwn(statusRulings, state) ? statusRulings[state] : undefined) ?? unknownStatus

/** An entry's status for a Waldur state; `pending` for a state that we do not know. */
export const statusOf = (state: string): EntryStatus => statusRuling(state).value

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
type ProviderView = { readonly visible: false } | { readonly visible: true; readonly state: string }

/**
 * A change that the consumer's side has not agreed to has not happened yet: a resource whose update or removal waits
 * there counts as OK, and one whose creation waits there does not exist (Waldur's `visible_to_providers` hides it too).
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

/** The state of a resource as the provider sees it; refused if the provider does not see the resource yet. */
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

/** Whether the consumer's side still has to agree to an order, so that it has not reached the provider. */
export const waitsForConsumer = (order: WaldurOrder | null | undefined): boolean =>
  beforeProvider.has(order?.state ?? "")

/** The order states of which nothing more comes. */
const ended = new Set(["done", "erred", "canceled", "rejected"])

/** Whether something may still come of an order; also of one in a state that we do not know. */
export const isInProgress = (order: WaldurOrder | null | undefined): order is WaldurOrder =>
  order !== undefined && order !== null && !ended.has(order.state ?? "")

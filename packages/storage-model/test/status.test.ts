import { describe, expect, it } from "vitest"
import { entryStatuses, statusOf, waldurStates } from "../src/index.ts"
import { anOrder, type Row, terminating } from "./a-resource.ts"
import { entriesOf, entryWith, refusalWith, treeWith } from "./a-tree.ts"

const statuses = [
  ["Creating", "pending"],
  ["OK", "active"],
  ["Erred", "error"],
  ["Updating", "updating"],
  ["Terminating", "removing"],
  ["Terminated", "removed"],
] as const
const invalidStates = ["", "ok", "Ok", "OK ", "creating", "Deleted", "constructor", "__proto__", "toString"]
const beforeProvider = ["pending-consumer", "pending-project", "pending-start-date"]
const notTerminating = statuses.filter(([state]) => state !== "Terminating")
const pastApproval = ["pending-provider", "executing", "done", "erred", "canceled", "rejected", "", "Pending-Consumer"]

/** The fields for a state; a removal has its order. */
const inState = (state: string): Row => (state === "Terminating" ? terminating : { state })

describe("the status", () => {
  it("covers all six states of Waldur", () => {
    expect([...waldurStates]).toEqual(statuses.map(([state]) => state))
    expect([...entryStatuses]).toEqual(statuses.map(([, status]) => status))
  })

  it.each(statuses)("of a resource that is %s is %s, in the entry and in its target", (state, status) => {
    expect(statusOf(state)).toBe(status)
    const row = inState(state)
    const entry = entryWith(row)
    expect(entry.status).toBe(status)
    expect(entry.target.targetItem).toMatchObject({ status, active: status === "active" })
    const user = entryWith({ ...row, attributes: { storage_data_type: "users" } })
    expect(user.status).toBe(status)
    expect(user.target.targetItem).toMatchObject({
      status,
      active: status === "active",
      primaryProject: { active: status === "active" },
    })
  })

  it.each([...invalidStates, null, undefined, 5, true, ["OK"], { state: "OK" }])(
    "of a resource that is %j is pending",
    (state) => {
      if (typeof state === "string") expect(statusOf(state)).toBe("pending")
      expect(entryWith({ state }).status).toBe("pending")
      expect(entryWith({ state }).target.targetItem).toMatchObject({ status: "pending", active: false })
    },
  )

  it.each(statuses)("of the parents of a resource that is %s is pending", (state) => {
    expect(
      entriesOf(treeWith({ state }))
        .slice(0, 2)
        .map(({ status }) => status),
    ).toEqual(["pending", "pending"])
  })
})

describe("an order that has not reached the provider", () => {
  it.each(beforeProvider.flatMap((order) => ["Updating", "Terminating"].map((state) => [order, state] as const)))(
    "(%s) leaves a resource that is %s active",
    (order, state) => {
      const entry = entryWith({ state, order_in_progress: anOrder({ state: order }) })
      expect(entry.status).toBe("active")
      expect(entry.target.targetItem).toMatchObject({ status: "active", active: true })
    },
  )

  it.each(beforeProvider)("(%s) hides a resource that is being created, and its parents", (order) => {
    const tree = treeWith({ state: "Creating", order_in_progress: anOrder({ type: "Create", state: order }) })
    expect(tree.entries).toEqual([])
    expect(refusalWith({ state: "Creating", order_in_progress: anOrder({ state: order }) })).toMatchObject({
      code: "order-not-approved",
      field: "order_in_progress.state",
      found: order,
    })
  })

  it.each(
    beforeProvider.flatMap((order) =>
      [
        ["OK", "active"],
        ["Erred", "error"],
        ["Terminated", "removed"],
        ["Unknown", "pending"],
      ].map(([state, status]) => [order, state, status] as const),
    ),
  )("(%s) does not change a resource that is %s", (order, state, status) => {
    expect(entryWith({ state, order_in_progress: anOrder({ state: order }) }).status).toBe(status)
  })
})

describe("an order that may have reached the provider", () => {
  it.each(pastApproval.flatMap((order) => notTerminating.map(([state, status]) => [order, state, status] as const)))(
    "(%j) leaves a resource that is %s %s",
    (order, state, status) => {
      expect(entryWith({ state, order_in_progress: anOrder({ state: order }) }).status).toBe(status)
    },
  )

  it("without a state does not change the resource", () => {
    expect(entryWith({ state: "Updating", order_in_progress: anOrder({ state: null }) }).status).toBe("updating")
    expect(entryWith({ state: "Creating", order_in_progress: {} }).status).toBe("pending")
  })
})

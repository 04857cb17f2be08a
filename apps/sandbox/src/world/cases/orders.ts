/** Hand-written resources with orders in progress. */
import type { JsonObject } from "../../json.ts"
import { type CaseSpec, field, spec } from "./case-spec.ts"

const ORDER_STATES = ["pending-consumer", "pending-project", "pending-start-date", "pending-provider", "executing"]

const GROUPS = [
  ["lqcd-hvp", "Hadronic vacuum polarization"],
  ["qmc-moire", "Quantum Monte Carlo of moiré materials"],
  ["dft-perov", "Perovskite solar cells"],
  ["md-gpcr", "Receptors in membranes"],
  ["icon-art", "Aerosols over the Alps"],
] as const

const STATE_OF: Record<string, string> = { Create: "Creating", Update: "Updating", Terminate: "Terminating" }
const CUSTOMER_OF = { Create: "ethz", Update: "epfl", Terminate: "psi" } as const

/** Every type of order in every state that counts as in progress. */
function eachTypeInEachState(): CaseSpec[] {
  return (["Create", "Update", "Terminate"] as const).flatMap((type) =>
    ORDER_STATES.map((state, index) => {
      const [slug, name] = GROUPS[index] as (typeof GROUPS)[number]
      const short = type.toLowerCase()
      return spec(
        `${short}-${state}`,
        `${STATE_OF[type]}, its ${type} order ${state}`,
        CUSTOMER_OF[type],
        `${slug}-${short}`,
        name,
        {
          offering: (["capstor", "vast", "iopsstor"] as const)[index % 3] ?? "capstor",
          state: STATE_OF[type] ?? "OK",
          order: {
            type,
            state,
            ...(type === "Update" ? { attributes: { old_limits: { storage: 50 } }, limits: { storage: 75 } } : {}),
          },
          tied: index % 2 === 1,
        },
      )
    }),
  )
}

/** An Update order at the provider with this content. */
function update(label: string, about: string, slug: string, attributes: JsonObject, limits?: JsonObject): CaseSpec {
  return spec(label, about, "mch", slug, "Ensemble forecasts", {
    state: "Updating",
    options: { soft_quota_space: 50, hard_quota_space: 60 },
    order: { type: "Update", state: "executing", attributes, ...(limits === undefined ? {} : { limits }) },
  })
}

/** A row with a modified pending order. */
function changedOrder(label: string, about: string, slug: string, change: (order: JsonObject) => void): CaseSpec {
  return spec(label, about, "cern", slug, "Detector upgrades", {
    state: "Updating",
    order: {
      type: "Update",
      state: "pending-provider",
      attributes: { old_limits: { storage: 50 } },
      limits: { storage: 60 },
    },
    change: (row) => change(row.order_in_progress as JsonObject),
  })
}

export const ORDERS = [
  ...eachTypeInEachState(),
  spec(
    "ok-update-pending-provider",
    "still OK while an Update waits for the provider",
    "empa",
    "graphene",
    "Graphene",
    {
      order: {
        type: "Update",
        state: "pending-provider",
        attributes: { old_limits: { storage: 50 } },
        limits: { storage: 70 },
      },
    },
  ),
  spec(
    "ok-terminate-pending-provider",
    "still OK while a Terminate waits for the provider",
    "empa",
    "cement",
    "Cement",
    {
      order: { type: "Terminate", state: "pending-provider" },
    },
  ),
  spec(
    "ok-terminate-pending-consumer",
    "still OK while a Terminate waits for the customer",
    "empa",
    "timber",
    "Timber",
    {
      order: { type: "Terminate", state: "pending-consumer" },
    },
  ),
  update(
    "update-limits",
    "an Update with old and new limits",
    "cosmo-1e",
    { old_limits: { storage: 50 } },
    { storage: 100 },
  ),
  update(
    "update-options",
    "an Update with old and new options",
    "cosmo-2e",
    {
      old_options: { soft_quota_space: 50, hard_quota_space: 60 },
      new_options: { soft_quota_space: 70, hard_quota_space: 90 },
    },
    {},
  ),
  update(
    "update-limits-and-options",
    "an Update with both limits and options",
    "icon-ch1",
    { old_limits: { storage: 50 }, old_options: { hard_quota_space: 60 }, new_options: { hard_quota_space: 120 } },
    { storage: 110 },
  ),
  update("update-none-of-four", "an Update with neither limits nor options", "icon-ch2", { reason: "new plan" }, {}),
  update(
    "update-old-limits-only",
    "an Update that has old limits and no new ones",
    "inca",
    { old_limits: { storage: 40 } },
    {},
  ),
  update("update-new-options-only", "an Update that has new options and no old ones", "nowcast", {
    new_options: { soft_quota_space: 55 },
  }),
  update(
    "update-limits-bad",
    "an Update whose new limit is text without a number",
    "radar",
    { old_limits: { storage: "50" } },
    {
      storage: "lots",
    },
  ),
  changedOrder("update-attributes-null", "an Update whose attributes are null", "tracker", (order) => {
    order.attributes = null
  }),
  changedOrder("update-limits-null", "an Update whose limits are null", "calorimeter", (order) => {
    order.limits = null
  }),
  changedOrder("order-without-url", "an order in progress that has no url", "muon-system", (order) => {
    delete order.url
  }),
  changedOrder("order-url-null", "an order in progress whose url is null", "trigger", (order) => {
    order.url = null
  }),
  changedOrder("order-url-junk", "an order in progress whose url is not an address", "daq-upgrade", (order) => {
    order.url = "not an address"
  }),
  changedOrder("order-state-unknown", "an order in an unknown state", "magnets", (order) => {
    order.state = "pending-audit"
  }),
  changedOrder("order-type-unknown", "an order of an unknown type", "cryogenics", (order) => {
    order.type = "Restore"
  }),
  changedOrder("order-state-null", "an order whose state is null", "beam-dumps", (order) => {
    order.state = null
  }),
  spec("order-empty-object", "order_in_progress is {}", "cern", "collimators", "Detector upgrades", {
    change: field("order_in_progress", {}),
  }),
  spec("order-text", "order_in_progress is a text", "cern", "injectors", "Detector upgrades", {
    change: field("order_in_progress", "pending-provider"),
  }),
  spec("order-key-missing", "no order_in_progress at all", "cern", "kickers", "Detector upgrades", {
    change: field("order_in_progress", undefined),
  }),
  spec("unknown-state", "an unknown state", "usi", "polymer-gel", "Polymer gels", {
    state: "Hibernating",
  }),
  spec("state-null", "the state is null", "usi", "polymer-melt", "Polymer melts", { change: field("state", null) }),
  spec("state-missing", "no state at all", "usi", "polymer-glass", "Polymer glasses", {
    change: field("state", undefined),
  }),
]

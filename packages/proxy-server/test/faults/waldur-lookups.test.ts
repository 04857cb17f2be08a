import { fourCases } from "./four-cases.ts"
import { fewFaults } from "./the-faults.ts"

fourCases("the lists of customers", {
  // A provider's reader, the default, may not read them.
  document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.owner }),
  rows: fewFaults,
  where: { upstream: "waldur", path: /\/customers\/$/ },
  upstream: "waldur",
  breaker: "waldur",
  isNeeded: false,
  reported: /"event":"customers-unavailable"/,
  // One list for each of three offerings.
  patience: { repeated: [4.5, 1.5, 15], reported: [0.5, 0.5, 3], awaited: [106, 22, 15] },
})

// Requested at each full read: they show whose resources count, and distinguish a lost role from an empty system.
fourCases("the offerings", {
  rows: fewFaults,
  where: { upstream: "waldur", path: "/api/marketplace-provider-offerings/" },
  upstream: "waldur",
  breaker: "waldur",
  keptWarm: ["500 that echoes our request", "a reset connection", "no response at all"],
  patience: { repeated: [4.5, 1.5, 5], reported: [0.5, 0.5, 1], awaited: [106, 22, 5] },
})

import { fourCases } from "./four-cases.ts"
import { bodies, connections, only, statuses } from "./the-faults.ts"

fourCases("Waldur", {
  rows: [...statuses, ...only("a reset connection", "no response at all")],
  where: { upstream: "waldur", path: /./ },
  upstream: "waldur",
  breaker: "waldur",
  // Two lists and three counts are read in parallel.
  patience: { repeated: [4.5, 1.5, 25], reported: [0.5, 0.5, 5], awaited: [106, 22, 25] },
  reported: /(GET|HEAD).*"event":"refresh-failed"/,
})

fourCases("Waldur's pages", {
  rows: [...bodies, ...connections, ...only("500", "403")],
  where: { upstream: "waldur", path: "/api/marketplace-provider-resources/", method: "GET" },
  upstream: "waldur",
  breaker: "waldur",
  // Successful counts in between keep it closed.
  opensBy: false,
  patience: { repeated: [4.5, 1.5, 10], reported: [0.5, 0.5, 2], awaited: [106, 22, 10] },
})

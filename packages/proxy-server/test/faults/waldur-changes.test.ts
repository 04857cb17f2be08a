import { changeResource } from "@cscs/sandbox"
import { rowOf } from "../a-world.ts"
import { fourCases } from "./four-cases.ts"
import { fewFaults } from "./the-faults.ts"

fourCases("Waldur's changes", {
  rows: fewFaults,
  where: { upstream: "waldur", path: "/api/marketplace-provider-resources/", method: "GET" },
  upstream: "waldur",
  breaker: "waldur",
  environment: { CACHE_FULL_REFRESH_EVERY: "10h" },
  isAskedCold: false,
  happens: ({ world }) => {
    const row = rowOf(world, 9)
    const before = { ...row }
    changeResource(world, row, { limits: { storage: 77 } })
    return () => Object.assign(row, before)
  },
  patience: { repeated: [4.5, 1.5, 10], reported: [0.5, 0.5, 2], awaited: [106, 22, 10] },
})

import { testing } from "../../vitest.base.ts"

/** A real Redis or Valkey, which not every machine has: `pnpm test:replicas`, apart from `pnpm test`. */
export default testing({ include: ["test-replicas/**/*.test.ts"], globalSetup: "test/the-bundle.ts", maxWorkers: 4 })

import { testing } from "../../vitest.base.ts"

/** The first run on a machine fetches and builds Keycloak. */
export default testing({ include: ["test-browser/**/*.test.ts"], maxWorkers: 2, hookTimeout: 900_000 })

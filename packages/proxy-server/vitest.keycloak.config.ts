import { testing } from "../../vitest.base.ts"

/** Against a real Keycloak, which takes half a gigabyte and two processors to start: one file after the other. */
export default testing({
  include: ["test-keycloak/*.test.ts"],
  fileParallelism: false,
  // Some stop and start it.
  testTimeout: 400_000,
  // The first run on a machine fetches and builds Keycloak.
  hookTimeout: 900_000,
})

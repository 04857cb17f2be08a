import { testing } from "../../vitest.base.ts"

/** The drivers that start programs for each step, against mocks of them. */
export default testing({ include: ["test-drivers/**/*.test.ts"] })

import { testing } from "../../vitest.base.ts"

/** The drivers that start programs for each step, against stand-ins for them. */
export default testing({ include: ["test-drivers/**/*.test.ts"] })

import { testing } from "../../vitest.base.ts"

/** Its commands as processes, with a proxy and the sandbox beside them. */
export default testing({ include: ["test-programs/**/*.test.ts"] })

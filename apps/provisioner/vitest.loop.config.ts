import { testing } from "../../vitest.base.ts"

/** The whole loop with its processes, which takes half a minute: `pnpm test:loop`, apart from `pnpm test`. */
export default testing({ include: ["test-loop/**/*.test.ts"] })

import { testing } from "../../vitest.base.ts"

export default testing({ include: ["test/**/*.test.ts"] })

import { testing } from "../../vitest.base.ts"

export default testing({ include: ["test-browser/**/*.test.ts"], maxWorkers: 2 })

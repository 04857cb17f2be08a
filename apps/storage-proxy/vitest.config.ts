import { testing } from "../../vitest.base.ts"

// The work is in processes of their own, so the test files wait side by side.
export default testing({ maxWorkers: 3, isolate: false, globalSetup: "test/the-bundle.ts" })

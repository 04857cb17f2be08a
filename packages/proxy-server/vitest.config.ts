import { testing } from "../../vitest.base.ts"

// Most of the time is spent waiting for calls over loopback.
export default testing({ maxWorkers: 3, isolate: false })

import { testing } from "../../vitest.base.ts"

export default testing({ isolate: false })

import { testing } from "../../vitest.base.ts"

/** Proxies as Debian ships them, which not every machine has: `pnpm test:proxies`, apart from `pnpm test`. */
export default testing({ include: ["test-proxies/**/*.test.ts"] })

import { testing } from "../../vitest.base.ts"

/** A real bash, which not every machine has: `pnpm test:shell`, apart from `pnpm test`. */
export default testing({ include: ["test-shell/**/*.test.ts"], globalSetup: "test/the-bundle.ts" })

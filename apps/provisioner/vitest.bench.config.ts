import { testing } from "../../vitest.base.ts"

/** What the provisioner costs, for docs/provisioning.md: `pnpm --filter @cscs/storage-provisioner bench`. It asserts no time. */
export default testing({ include: ["test-bench/**/*.test.ts"], testTimeout: 1_800_000 })

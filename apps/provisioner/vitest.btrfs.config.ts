import { testing } from "../../vitest.base.ts"

/** Needs root, Debian's btrfs-progs and a kernel with btrfs: the suite mounts a file. */
export default testing({ include: ["test-btrfs/**/*.test.ts"] })

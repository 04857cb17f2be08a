/** Plain directories, for trials: quotas are recorded in the registry and not enforced. */
import { lstat, opendir } from "node:fs/promises"
import { Effect } from "effect"
import { errorOf } from "../disk/directory.ts"
import { quotasIn, recordedQuotas } from "../disk/registry.ts"
import type { QuotaSystem } from "./quota-system.ts"

/** Files and directories that `usage` counts before it gives up. */
const maxCounted = 1_000_000
/** The unit of `st_blocks` on every file system. */
const bytesOfBlock = 512

export const directorySystem: QuotaSystem = {
  name: "directory",
  capabilities: {
    enforces: ["spaceSoft", "spaceHard", "inodesSoft", "inodesHard"],
    granularity: { bytes: 1n, inodes: 1n },
    countsInodes: true,
  },
  setQuotas: ({ registry, itemId }, quotas) => registry.put(itemId, { quotas: recordedQuotas(quotas) }),
  readQuotas: ({ registry, itemId }) => Effect.sync(() => quotasIn(registry.get(itemId))),
  usage: ({ directory }) =>
    Effect.tryPromise({
      try: async () => {
        let bytes = 0
        let inodes = 0
        const count = async (path: string) => {
          const { blocks } = await lstat(path)
          bytes += blocks * bytesOfBlock
          if (++inodes > maxCounted) throw new Error(`more than ${maxCounted} files`)
        }
        const top = `/proc/self/fd/${directory.handle.fd}/.`
        await count(top)
        for await (const one of await opendir(top, { recursive: true })) await count(`${one.parentPath}/${one.name}`)
        return { bytes: BigInt(bytes), inodes: BigInt(inodes) }
      },
      catch: (cause) => errorOf(`usage of ${directory.path}`, cause),
    }),
}

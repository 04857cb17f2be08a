/**
 * Plain directories, for trials. Quotas are not enforced. They are recorded and read back like enforced ones, so that trials take
 * every step.
 */
import { lstat, opendir } from "node:fs/promises"
import { Effect } from "effect"
import { errorOf } from "../disk/directory.ts"
import { quotasIn, recordedQuotas } from "../disk/registry.ts"
import { UnknownOutcome } from "./driver.ts"
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
        // A path is a buffer, and its names are read as Latin-1, which keeps each byte: a name need not be UTF-8.
        const count = async (path: Buffer) => {
          const status = await lstat(path)
          bytes += status.blocks * bytesOfBlock
          if (++inodes > maxCounted) throw new Error(`more than ${maxCounted} files`)
          if (!status.isDirectory()) return
          for await (const { name } of await opendir(path, { encoding: "latin1" })) {
            await count(Buffer.concat([path, Buffer.from(`/${name}`, "latin1")])).catch(ignoreMissing)
          }
        }
        await count(Buffer.from(`/proc/self/fd/${directory.handle.fd}/.`))
        return { bytes: BigInt(bytes), inodes: BigInt(inodes) }
      },
      // Never a conflict: the directory is this item's.
      catch: (cause) => {
        const { step, detail } = errorOf(`usage of ${directory.path}`, cause)
        return new UnknownOutcome({ step, detail })
      },
    }),
}

/** Users may remove files during the walk. */
const ignoreMissing = (cause: NodeJS.ErrnoException) => {
  if (cause.code !== "ENOENT") throw cause
}

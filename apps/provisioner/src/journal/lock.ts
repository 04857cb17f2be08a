/**
 * A lock for one writer per directory: a socket in Linux's abstract namespace, which the kernel gives to one process of a host,
 * and releases when that process ends, however it ends. No file stays behind.
 */
import { statSync } from "node:fs"
import { createServer } from "node:net"
import { Data, Effect, type Scope } from "effect"

/** Another process of this host has the lock. */
export class Locked extends Data.TaggedError("Locked")<{ readonly directory: string }> {
  override get message() {
    return `Another storage-provisioner is using ${this.directory}`
  }
}

/** Holds the lock of a directory, by its inode, until the scope ends. The directory must exist. */
export const holdLock = (directory: string): Effect.Effect<void, Locked, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>, Locked>((resume) => {
      const { dev, ino } = statSync(directory, { bigint: true })
      const server = createServer((socket) => socket.destroy())
      server.once("error", () => resume(Effect.fail(new Locked({ directory }))))
      server.listen(`\0cscs-storage-provisioner-${dev}-${ino}`, () => resume(Effect.succeed(server.unref())))
    }),
    (server) => Effect.sync(() => server.close()),
  )

/**
 * A lock for one writer per directory: a socket in Linux's abstract namespace, which the kernel gives to one process of a host
 * (of a network namespace, so of one pod), and releases when that process ends, however it ends. No file stays behind.
 */
import { statSync } from "node:fs"
import { createServer } from "node:net"
import { Data, Effect, Result, type Scope } from "effect"

/** Another process of this host has the lock. */
export class Locked extends Data.TaggedError("Locked")<{ readonly directory: string }> {
  override get message() {
    return `Another storage-provisioner is using ${this.directory}`
  }
}

/** There is no directory to lock, or it may not be looked at. */
export class NothingToLock extends Data.TaggedError("NothingToLock")<{
  readonly directory: string
  readonly reason: string
}> {
  override get message() {
    return `${this.directory} cannot be used: ${this.reason}; is the file system mounted?`
  }
}

/** The host permits no lock, for example because it has no free file descriptor. */
export class LockUnavailable extends Data.TaggedError("LockUnavailable")<{
  readonly directory: string
  readonly reason: string
}> {
  override get message() {
    return `${this.directory} cannot be locked: ${this.reason}`
  }
}

export type LockFailed = Locked | LockUnavailable | NothingToLock

/** Holds the lock of a directory, by its inode, until the scope ends. */
export const holdLock = (directory: string): Effect.Effect<void, LockFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>, LockFailed>((resume) => {
      const found = Result.try(() => statSync(directory, { bigint: true }))
      if (Result.isFailure(found)) {
        const reason = (found.failure as Error).message
        return resume(Effect.fail(new NothingToLock({ directory, reason })))
      }
      const { dev, ino } = found.success
      const server = createServer((socket) => socket.destroy())
      // Also later: a connection that cannot be accepted must not end the process.
      server.on("error", ({ code, message }: NodeJS.ErrnoException) => {
        const isHeld = code === "EADDRINUSE"
        resume(Effect.fail(isHeld ? new Locked({ directory }) : new LockUnavailable({ directory, reason: message })))
      })
      server.listen(`\0cscs-storage-provisioner-${dev}-${ino}`, () => resume(Effect.succeed(server.unref())))
    }),
    (server) => Effect.sync(() => server.close()),
  )

/** Closes connections whose callers do not read their response. */
import type { Server } from "node:http"
import type { Socket } from "node:net"

/** How long a caller may read nothing of its response, in milliseconds. */
export interface ReadingLimits {
  /** While the server serves. */
  readonly serving: number
  /** While the server stops. */
  readonly stopping: number
  /** Interval between checks of all open responses. */
  readonly lookEvery: number
}

const limits: ReadingLimits = { serving: 60_000, stopping: 2_000, lookEvery: 1_000 }

/**
 * Closes connections whose callers do not read their response: each holds a part of it, and the list that it is made
 * from. A slow reader is not stalled: each byte that the system takes counts.
 */
export const closeStalledReaders = (
  server: Pick<Server, "on">,
  { serving, stopping, lookEvery }: ReadingLimits = limits,
): { /** The server stops: it waits less for them. */ readonly stop: () => void } => {
  // By connection: with an entry for each response, a cached page cost twice as much. Responses then survived the collections
  // of V8's young generation (docs/benchmarks.md).
  const connections = new Map<Socket, { taken: string; since: number }>()
  let patience = serving
  server.on("connection", (socket: Socket) => {
    connections.set(socket, { taken: "", since: performance.now() })
    socket.once("close", () => connections.delete(socket))
  })
  const look = () => {
    const now = performance.now()
    for (const [socket, seen] of connections) {
      const taken = takenFrom(socket)
      // If nothing waits to be sent, the caller waits for this server, and not the reverse.
      if (socket.writableLength === 0 || taken !== seen.taken) Object.assign(seen, { taken, since: now })
      else if (now - seen.since >= patience) socket.destroy()
    }
  }
  // The timer does not keep the process alive.
  setInterval(look, lookEvery).unref()
  return {
    stop: () => {
      patience = stopping
    },
  }
}

/** How many bytes of a connection the system has taken, comparable with an earlier value. */
const takenFrom = (socket: Socket): string => {
  // Node's own socket timeout reads this too: a block may have been sent in part.
  const { _handle } = socket as unknown as { readonly _handle?: { readonly writeQueueSize?: number } | null }
  return `${socket.bytesWritten - socket.writableLength} ${_handle?.writeQueueSize ?? 0}`
}

import type { Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** How long a caller may take nothing of a response that it asked for, in milliseconds. */
export interface ReadingLimits {
  /** While the server serves. */
  readonly serving: number
  /** While it stops. */
  readonly stopping: number
  /** From one look at all open responses to the next. */
  readonly lookEvery: number
}

const limits: ReadingLimits = { serving: 60_000, stopping: 2_000, lookEvery: 1_000 }

/**
 * Closes the connections of callers who do not read what they asked for: each holds a part of the response, and the list
 * that it is of. Slow is not stalled: each byte that the system takes counts.
 */
export const closeStalledReaders = (
  server: Pick<Server, "on">,
  { serving, stopping, lookEvery }: ReadingLimits = limits,
): { /** The server stops: it waits less for them. */ readonly stop: () => void } => {
  const open = new Map<ServerResponse, { taken: string; since: number }>()
  let patience = serving
  server.on("request", (_, response) => {
    open.set(response, { taken: "", since: performance.now() })
    response.once("close", () => open.delete(response))
  })
  const look = () => {
    const now = performance.now()
    for (const [response, seen] of open) {
      const { socket, headersSent } = response
      const taken = socket === null ? "" : takenFrom(socket)
      // A response that has not begun waits for us, or for those before it on its connection.
      if (socket === null || !headersSent || taken !== seen.taken) open.set(response, { taken, since: now })
      else if (now - seen.since >= patience) socket.destroy()
    }
  }
  // Whoever waits for nothing else may end.
  setInterval(look, lookEvery).unref()
  return {
    stop: () => {
      patience = stopping
    },
  }
}

/** What of a connection's bytes the system has taken, for comparison with an earlier one. */
const takenFrom = (socket: Socket): string => {
  // Node's own timeout of a socket looks there too: a block may have gone out in part.
  const { _handle } = socket as unknown as { readonly _handle?: { readonly writeQueueSize?: number } | null }
  return `${socket.bytesWritten - socket.writableLength} ${_handle?.writeQueueSize ?? 0}`
}

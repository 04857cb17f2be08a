/** The callers' requests, with the times of request and response. */

export const listPath = "/api/storage-resources/"

export interface ListRequest {
  /** Path and query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

export type Client = ReturnType<typeof clientOf>
export type Reply = Awaited<ReturnType<Client["send"]>>

export const clientOf = (origin: string) => {
  const fetched = ({ path, headers }: ListRequest, signal?: AbortSignal) =>
    fetch(origin + path, { headers: { "Accept-Encoding": "identity", ...headers }, signal: signal ?? null })
  return {
    /** Sends a request and reads the response. Times are those of `performance.now()`. */
    send: async (about: ListRequest) => {
      const sentAt = performance.now()
      const response = await fetched(about)
      // The headers have arrived.
      const receivedAt = performance.now()
      // Decompressed.
      const body = Buffer.from(await response.arrayBuffer())
      const header = (name: string) => response.headers.get(name) ?? undefined
      return { request: about, status: response.status, header, body, sentAt, receivedAt }
    },
    /** Sends a request and disconnects, after `afterMs` milliseconds or in the middle of the response. */
    leave: async (about: ListRequest, afterMs: number): Promise<void> => {
      const leaving = new AbortController()
      const timer = setTimeout(() => leaving.abort(), afterMs)
      try {
        const { body } = await fetched(about, leaving.signal)
        for await (const _ of body ?? []) break
      } catch (error) {
        if (!leaving.signal.aborted) throw error
      } finally {
        clearTimeout(timer)
        leaving.abort()
      }
    },
  }
}

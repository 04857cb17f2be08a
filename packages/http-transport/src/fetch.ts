import { Agent, Dispatcher1Wrapper } from "undici"
import { socksConnector } from "./proxy.ts"

/** How an upstream's certificate is checked. */
export interface TlsProfile {
  /** `false` accepts any certificate: for a test system only. Default `true`. */
  readonly verify?: boolean
  /** Certificates in PEM that are trusted in place of the system's. */
  readonly ca?: string
}

export interface FetchOptions {
  readonly socksProxy?: URL
  readonly tls?: TlsProfile
  /** Milliseconds until a connection, proxy and TLS included, must stand. */
  readonly connectTimeout: number
  /** Connections kept to the upstream at most. */
  readonly connections: number
  /** Bytes of a decoded body at most. */
  readonly maxBodyBytes: number
}

/** A body that is larger than an upstream has any reason to send. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge"
}

/**
 * The global `fetch` over a pool of its own: same semantics, other way out. `close` ends the pool and whatever is under
 * way on it.
 */
export const makeFetch = (options: FetchOptions): { fetch: typeof fetch; close: () => Promise<void> } => {
  const tls = {
    rejectUnauthorized: options.tls?.verify ?? true,
    ...(options.tls?.ca === undefined ? {} : { ca: options.tls.ca }),
  }
  const pool = new Agent({
    connections: options.connections,
    // Deadlines are the caller's, one for all phases: a second clock here would only contradict it.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: options.socksProxy
      ? socksConnector(options.socksProxy, tls, options.connectTimeout)
      : { ...tls, allowH2: false, timeout: options.connectTimeout },
  })
  // Node's own fetch speaks an older dispatcher interface than undici 8's pools.
  const dispatcher = new Dispatcher1Wrapper(pool)
  return {
    fetch: async (input, init) =>
      limited(await fetch(input, { ...init, dispatcher } as unknown as RequestInit), options.maxBodyBytes),
    close: () => pool.destroy(),
  }
}

/** Counts decoded bytes: undici's own limit counts those on the wire, and a small gzip body can hold a huge one. */
const limited = (response: Response, maxBytes: number): Response => {
  if (response.body === null) return response
  let bytes = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) throw new BodyTooLarge(`more than ${maxBytes} bytes`)
      controller.enqueue(chunk)
    },
  })
  const copy = new Response(response.body.pipeThrough(counter), response)
  return Object.defineProperties(copy, {
    url: { value: response.url },
    redirected: { value: response.redirected },
  })
}

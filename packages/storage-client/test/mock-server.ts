/** A mock storage proxy on loopback whose responses each test defines, and entries for them. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect, Redacted } from "effect"
import { makeStorageClient, type StorageClientOptions } from "../src/index.ts"

export const uuidOf = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`

const named = (number: number, key: string) => ({ itemId: uuidOf(number), key, name: key.toUpperCase(), active: true })

/** An entry of a project, with other fields over it. */
export const anEntry = (number: number, changes: object = {}): Record<string, unknown> => ({
  itemId: uuidOf(number),
  status: "active",
  mountPoint: { default: `/capstor/store/cscs/ethz/p${number}` },
  permission: { permissionType: "octal", value: "2770" },
  quotas: [
    { type: "space", quota: 5, unit: "tera", enforcementType: "soft" },
    { type: "space", quota: 6.5, unit: "tera", enforcementType: "hard" },
    { type: "inodes", quota: 7, unit: "none", enforcementType: "soft" },
    { type: "inodes", quota: 8, unit: "none", enforcementType: "hard" },
  ],
  target: {
    targetType: "project",
    targetItem: {
      itemId: uuidOf(1000 + number),
      key: `p${number}`,
      name: "P",
      status: "active",
      unixGid: 31_000 + number,
      active: true,
    },
  },
  storageSystem: named(1, "capstor"),
  storageFileSystem: named(2, "lustre"),
  storageDataType: { ...named(3, "store"), path: "store" },
  parentItemId: uuidOf(4),
  ...changes,
})

/** An entry of a tenant. */
export const aTenant = (mountPoint: string): Record<string, unknown> =>
  anEntry(0, {
    status: "pending",
    quotas: null,
    mountPoint: { default: mountPoint },
    target: { targetType: "tenant", targetItem: { itemId: uuidOf(0), key: "cscs", name: "CSCS" } },
    parentItemId: null,
  })

export const entries = (count: number) => Array.from({ length: count }, (_, index) => anEntry(index + 1))

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Headers of the list. */
export const headersOf = (total: number, more: Record<string, string> = {}) => ({
  "content-type": "application/x-ndjson",
  "x-total-count": String(total),
  etag: '"one"',
  age: "3",
  ...more,
})

/** Responds with these entries as lines. */
export const lines =
  (all: ReadonlyArray<unknown>, more: Record<string, string> = {}): Handler =>
  (_, response) =>
    response.writeHead(200, headersOf(all.length, more)).end(all.map((one) => `${JSON.stringify(one)}\n`).join(""))

export interface MockServer {
  readonly url: string
  readonly seen: ReadonlyArray<{ readonly url: URL; readonly headers: IncomingMessage["headers"] }>
  /** The next responses, in order; the last one repeats. */
  responses: Array<Handler>
}

/** Ends with the scope. */
export const mockServer = Effect.acquireRelease(
  Effect.callback<MockServer & { readonly stop: () => Promise<void> }>((resume) => {
    const seen: Array<MockServer["seen"][number]> = []
    const server = createServer((request, response) => {
      seen.push({ url: new URL(request.url ?? "/", "http://server"), headers: request.headers })
      const handle = it.responses.length > 1 ? it.responses.shift() : it.responses[0]
      handle?.(request, response)
    })
    const it = {
      get url() {
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      },
      seen,
      responses: [lines([])] as Array<Handler>,
      stop: () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        }),
    }
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(it)))
  }),
  ({ stop }) => Effect.promise(stop),
)

export const secret = "a-token-to-be-kept-secret"

/** A client of the server with a fixed token, which retries quickly. */
export const clientOf = (server: MockServer, options: Partial<StorageClientOptions> = {}) =>
  makeStorageClient({
    baseUrl: server.url,
    auth: { token: Redacted.make(secret) },
    retry: { times: 2, base: "1 millis", cap: "5 millis", maxRetryAfter: "2 seconds" },
    ...options,
  })

/** The minimal HTTP server in Node, `node:http` with one prepared buffer, as a helper process. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { serveCommands } from "./helpers.ts"

const commands = {
  /** Responds to every request with this body; returns the origin. */
  serve: async (body: Uint8Array, contentType: string): Promise<string> => {
    const bytes = Buffer.from(body)
    const headers = { "Content-Type": contentType, "Content-Length": bytes.length }
    const server = createServer((_, response) => {
      response.writeHead(200, headers)
      response.end(bytes)
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
}

export type BareServerCommands = typeof commands

serveCommands(commands)

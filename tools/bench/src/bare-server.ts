/** The minimal HTTP servers with one prepared buffer, `node:http` and Hono with one route, as a helper process. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createAdaptorServer } from "@hono/node-server"
import { Hono } from "hono"
import { serveCommands } from "./helpers.ts"

const commands = {
  /** Responds to every request with this body; returns the origin. */
  serve: async (body: Uint8Array<ArrayBuffer>, contentType: string, withHono = false): Promise<string> => {
    const bytes = Buffer.from(body)
    const headers = { "Content-Type": contentType, "Content-Length": String(bytes.length) }
    const app = new Hono().get("*", (c) => c.body(bytes, 200, headers))
    const server = withHono
      ? createAdaptorServer({ fetch: app.fetch })
      : createServer((_, response) => {
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

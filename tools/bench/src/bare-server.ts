/** The minimal HTTP servers with one prepared buffer, `node:http` and Hono with one route, as a helper process. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createAdaptorServer } from "@hono/node-server"
import { Hono } from "hono"
import { serveCommands } from "./helpers.ts"

const commands = {
  /** Responds to every request with this body, or with 304 if it is conditional; returns the origin. */
  serve: async (body: Uint8Array<ArrayBuffer>, contentType: string, withHono = false): Promise<string> => {
    const bytes = Buffer.from(body)
    const headers = { "Content-Type": contentType, "Content-Length": String(bytes.length) }
    const app = new Hono().get("*", (c) =>
      c.req.header("if-none-match") === undefined ? c.body(bytes, 200, headers) : c.body(null, 304),
    )
    const server = withHono
      ? createAdaptorServer({ fetch: app.fetch })
      : createServer(({ headers: { "if-none-match": known } }, response) => {
          if (known === undefined) response.writeHead(200, headers).end(bytes)
          else response.writeHead(304).end()
        })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
}

export type BareServerCommands = typeof commands

serveCommands(commands)

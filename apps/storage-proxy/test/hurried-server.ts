import http from "node:http"
import { syncBuiltinESMExports } from "node:module"

// For `node --import`: the server's timeouts run twenty times faster, and are reported as configured.
const { createServer } = http
const hurried = ["headersTimeout", "requestTimeout", "keepAliveTimeout", "connectionsCheckingInterval"] as const

http.createServer = ((options: http.ServerOptions, listener: http.RequestListener) => {
  process.stderr.write(`server options: ${JSON.stringify(options)}\n`)
  const faster = Object.fromEntries(hurried.map((name) => [name, (options[name] ?? 0) / 20]))
  return createServer({ ...options, ...faster }, listener)
}) as typeof createServer
syncBuiltinESMExports()

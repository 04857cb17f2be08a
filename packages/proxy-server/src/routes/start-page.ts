/** The page at `/` for browsers, and the icon of all pages. */
import { Hono } from "hono"
import { pageHeaders } from "../http/http-headers.ts"
import { preferred } from "./negotiation.ts"

/** Its links are relative, so that they work under any path prefix. */
const pageWith = (explorer: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>CSCS storage proxy</title>
<link rel="icon" href="favicon.svg" type="image/svg+xml">
</head>
<body>
<h1>CSCS storage proxy</h1>
<p>It lists the storage that research groups order in Waldur, for the storage management systems: each directory with
its Unix group, quotas and state.</p>
<ul>
${explorer}<li><a href="docs/">API reference</a>, and its <a href="openapi.json">OpenAPI document</a></li>
<li><a href="api/storage-resources/">The list</a>, which needs a token unless authentication is disabled</li>
<li><a href="healthz/ready">Readiness</a>, with warnings</li>
<li><a href="metrics">Metrics</a> for Prometheus</li>
</ul>
</body>
</html>
`

/** Three disks. */
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="#d42e12">
<rect x="2" y="2" width="12" height="3" rx="1.5"/>
<rect x="2" y="6.5" width="12" height="3" rx="1.5"/>
<rect x="2" y="11" width="12" height="3" rx="1.5"/>
</svg>
`

const headers = pageHeaders()

/**
 * `/` for callers that prefer HTML, 404 for others; and `/favicon.svg`.
 *
 * @param hasExplorer whether the explorer is served
 */
export const startPage = (hasExplorer: boolean): Hono => {
  const app = new Hono()
  const page = pageWith(
    hasExplorer ? '<li><a href="explorer/">Explorer</a>: what is there, what waits, what is wrong</li>\n' : "",
  )
  app.get("/", async (c, next) => {
    const isBrowser = preferred(c, "Accept", ["application/json", "text/html"]) === "text/html"
    if (!isBrowser) await next()
    else
      await headers(c, async () => {
        c.res = c.html(page)
      })
    c.res.headers.append("Vary", "Accept")
  })
  app.get("/favicon.svg", headers, (c) => c.body(icon, 200, { "Content-Type": "image/svg+xml" }))
  return app
}

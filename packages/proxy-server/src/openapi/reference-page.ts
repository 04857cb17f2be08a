/** The API reference page. */
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { Hono } from "hono"
import { pageHeaders } from "../http/http-headers.ts"

/** The files of Swagger UI that the page needs. */
const assets = { "swagger-ui-bundle.js": "text/javascript; charset=utf-8", "swagger-ui.css": "text/css; charset=utf-8" }

/** Every path of the page, for the list of routes. */
export const referencePaths: ReadonlyArray<string> = [
  "/docs",
  "/docs/",
  ...["start.js", ...Object.keys(assets)].map((name) => `/docs/${name}`),
]

/** The build puts the assets beside the built code; in the workspace they come from the development dependency. */
const assetPath = (name: string): string => {
  const packaged = fileURLToPath(new URL(`./swagger-ui/${name}`, import.meta.url))
  return existsSync(packaged) ? packaged : createRequire(import.meta.url).resolve(`swagger-ui-dist/${name}`)
}

const start = `SwaggerUIBundle({ url: "../openapi.json", dom_id: "#reference", deepLinking: true })`

// The trailing slash matters, because the page's URLs are relative to /docs/, under any path prefix.
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>CSCS storage proxy: API reference</title>
<link rel="icon" href="../favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
`

/** Swagger UI sets styles on its elements. */
const headers = pageHeaders({ styleSrc: ["'self'", "'unsafe-inline'"] })

/** `/docs/`: the API reference, rendered by Swagger UI. Its script and style are served from here, not from a CDN. */
export const referencePage = (): Hono => {
  const app = new Hono()
  app.get("/docs", headers, (c) => c.redirect("docs/"))
  app.get("/docs/", headers, (c) => c.html(page))
  app.get("/docs/start.js", headers, (c) => c.body(start, 200, { "Content-Type": "text/javascript; charset=utf-8" }))
  for (const [name, type] of Object.entries(assets)) {
    app.get(`/docs/${name}`, headers, async (c) =>
      c.body(await readFile(assetPath(name)), 200, { "Content-Type": type }),
    )
  }
  return app
}

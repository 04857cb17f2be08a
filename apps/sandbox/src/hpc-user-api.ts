/** A mock HPC User API: the GIDs of projects by name. */
import { Hono } from "hono"
import type { Exchange } from "./listening-server.ts"
import type { World } from "./world/world.ts"

/** The longest request target, in bytes, that the web server accepts. */
const MAX_TARGET_BYTES = 4096

/** The endpoint of the HPC User API that returns the GIDs of projects. */
export function createHpcUserApiApp(
  world: World,
  acceptsToken: (token: string) => Promise<boolean>,
): Hono<{ Bindings: Exchange }> {
  const app = new Hono<{ Bindings: Exchange }>()

  app.use(async (c, next) => {
    // The web server in front of the application checks the length before the token.
    if (Buffer.byteLength(c.env.target) > MAX_TARGET_BYTES) {
      const html = "<html><head><title>414 Request-URI Too Large</title></head></html>"
      return c.html(html, 414)
    }
    const [scheme, token] = (c.req.header("Authorization") ?? "").split(/\s+/)
    if (scheme?.toLowerCase() !== "bearer" || !token) {
      return c.json({ detail: "Not authenticated" }, 401, { "WWW-Authenticate": "Bearer" })
    }
    if (!(await acceptsToken(token))) {
      return c.json({ detail: "Invalid token" }, 401, { "WWW-Authenticate": 'Bearer error="invalid_token"' })
    }
    return next()
  })

  app.get("/api/v1/export/waldur/projects", (c) => {
    const names = new Set(c.req.queries("projects") ?? [])
    const projects: unknown[] = []
    for (const posixName of names) {
      if (!world.gids.has(posixName)) continue
      const gid = world.gids.get(posixName)
      for (const unixGid of Array.isArray(gid) ? gid : [gid]) projects.push({ posixName, unixGid })
    }
    return c.json({ projects: [...projects, ...world.strayGidEntries] })
  })

  app.notFound((c) => c.json({ detail: "Not Found" }, 404))
  return app
}

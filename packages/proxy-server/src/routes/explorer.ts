/** `/explorer/`: the web UI, whose files come from `@cscs/storage-explorer`. */
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { extname, join, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { type Context, Hono } from "hono"
import type { ProxySettings } from "../config/settings.ts"
import { version } from "../config/version.ts"
import { pageHeaders } from "../http/http-headers.ts"
import { isNoneMatchMet } from "./conditional.ts"
import { acceptedCoding, type Coding, compressed, worthCompressing } from "./content-coding.ts"

/**
 * The build copies the files beside the code; in the workspace they are where the explorer's own build puts them.
 * `undefined` if they are nowhere: the list is served without them.
 */
export const explorerFolder = (): string | undefined => {
  const packaged = fileURLToPath(new URL("./explorer/", import.meta.url))
  if (existsSync(packaged)) return packaged
  try {
    return join(createRequire(import.meta.url).resolve("@cscs/storage-explorer/package.json"), "../dist")
  } catch {
    return undefined
  }
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
}

/** The names of files in `assets/` contain their digest, so they never change. */
const forever = "public, max-age=31536000, immutable"

/**
 * The explorer's files, by exact name, and `config.json`, with which it finds the issuer. No file needs a token: the
 * data does.
 *
 * @param folder without an `index.html` there is no explorer
 * @returns `undefined` if it is disabled or not built
 */
export const explorer = ({ auth, explorer }: ProxySettings, folder: string | undefined): Hono | undefined => {
  if (!explorer.enabled || folder === undefined || !existsSync(join(folder, "index.html"))) return undefined
  const app = new Hono()
  app.use(
    pageHeaders({
      connectSrc: ["'self'", ...(auth.disabled ? [] : [new URL(auth.issuer).origin])],
      // No text becomes markup or a script: the page makes elements only.
      requireTrustedTypesFor: ["'script'"],
      trustedTypes: ["'none'"],
    }),
  )
  app.get("/config.json", (c) =>
    c.json(
      {
        version,
        authentication: !auth.disabled,
        issuer: auth.disabled ? null : auth.issuer,
        clientId: auth.disabled ? null : (explorer.clientId ?? null),
      },
      200,
      { "Cache-Control": "no-cache" },
    ),
  )
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const type = types[extname(name)]
    if (type === undefined) continue
    const path = name.split(sep).join("/")
    const file = staticFile(join(folder, name), type, path.startsWith("assets/") ? forever : "no-cache")
    app.get(path === "index.html" ? "/" : `/${path}`, file)
  }
  return app
}

/** A file that is read and compressed at its first request. */
const staticFile = (path: string, type: string, cacheControl: string) => {
  let read: { readonly body: Buffer<ArrayBuffer>; readonly digest: string } | undefined
  const inCoding = new Map<Coding, Promise<Uint8Array<ArrayBuffer>>>()
  return async (c: Context): Promise<Response> => {
    if (read === undefined) {
      const body = readFileSync(path)
      read = { body, digest: createHash("sha256").update(body).digest("base64url").slice(0, 22) }
    }
    const coding = read.body.length < worthCompressing ? "identity" : acceptedCoding(c)
    const etag = `"${read.digest}-${coding}"`
    const headers = { "Cache-Control": cacheControl, ETag: etag, Vary: "Accept-Encoding" }
    if (isNoneMatchMet(c.req.header("If-None-Match"), etag)) return c.body(null, 304, headers)
    let body = inCoding.get(coding)
    if (body === undefined) {
      body = coding === "identity" ? Promise.resolve(read.body) : compressed(read.body, coding)
      inCoding.set(coding, body)
    }
    return c.body(await body, 200, {
      ...headers,
      "Content-Type": type,
      ...(coding === "identity" ? {} : { "Content-Encoding": coding }),
    })
  }
}

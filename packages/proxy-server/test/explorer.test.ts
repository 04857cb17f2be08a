import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { brotliDecompressSync } from "node:zlib"
import { Hono } from "hono"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { ProxySettings } from "../src/config/settings.ts"
import { explorer } from "../src/routes/explorer.ts"

const script = `console.log(${JSON.stringify("x".repeat(2000))})`
const built = mkdtempSync(join(tmpdir(), "explorer-"))
beforeAll(() => {
  mkdirSync(join(built, "assets"))
  writeFileSync(join(built, "index.html"), "<!doctype html><title>Explorer</title>")
  writeFileSync(join(built, "assets", "main-1a2b3c.js"), script)
  writeFileSync(join(built, "assets", "main-1a2b3c.js.map"), "{}")
})
afterAll(() => rmSync(built, { recursive: true }))

const auth = { disabled: false, issuer: "https://auth.example.org:8443/realms/cscs" }
const appWith = (given: { auth?: object; explorer?: object } = {}, folder = built) => {
  const settings = {
    auth: { ...auth, ...given.auth },
    explorer: { enabled: true, clientId: "explorer", ...given.explorer },
  } as unknown as ProxySettings
  const page = explorer(settings, folder)
  return page === undefined ? undefined : new Hono().route("/explorer/", page)
}
const get = async (path: string, headers: Record<string, string> = {}, app = appWith()) => {
  if (app === undefined) throw new Error("there is no explorer")
  return app.request(path, { headers })
}

describe("the explorer", () => {
  test("is a page that is revalidated, and assets that are cached for ever", async () => {
    const page = await get("/explorer/")
    expect([page.status, page.headers.get("Content-Type")]).toEqual([200, "text/html; charset=utf-8"])
    expect(page.headers.get("Cache-Control")).toBe("no-cache")
    const asset = await get("/explorer/assets/main-1a2b3c.js")
    expect(asset.headers.get("Cache-Control")).toBe("public, max-age=31536000, immutable")
    expect(await asset.text()).toBe(script)
  })

  test("is compressed for a browser, and a 304 for one that has it", async () => {
    const coded = await get("/explorer/assets/main-1a2b3c.js", { "Accept-Encoding": "br" })
    expect(coded.headers.get("Content-Encoding")).toBe("br")
    expect(brotliDecompressSync(Buffer.from(await coded.arrayBuffer())).toString()).toBe(script)
    const known = { "Accept-Encoding": "br", "If-None-Match": coded.headers.get("ETag") ?? "" }
    const again = await get("/explorer/assets/main-1a2b3c.js", known)
    expect([again.status, await again.text()]).toEqual([304, ""])
  })

  test("may run its own scripts and styles only, and reach the proxy and the issuer only", async () => {
    const policy = (await get("/explorer/")).headers.get("Content-Security-Policy")
    expect(policy?.split("; ").sort()).toEqual([
      "base-uri 'none'",
      "connect-src 'self' https://auth.example.org:8443",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "img-src 'self' data:",
      "require-trusted-types-for 'script'",
      "script-src 'self'",
      "style-src 'self'",
      "trusted-types 'none'",
    ])
  })

  test("serves no other file of its folder, nor any outside it", async () => {
    for (const path of ["assets/main-1a2b3c.js.map", "../package.json", "%2e%2e/package.json", "assets/", "assets"]) {
      expect([path, (await get(`/explorer/${path}`)).status]).toEqual([path, 404])
    }
  })

  test("learns from config.json how to sign in, and nothing about an issuer if there is no authentication", async () => {
    const configured = await (await get("/explorer/config.json")).json()
    expect(configured).toMatchObject({ authentication: true, issuer: auth.issuer, clientId: "explorer" })
    const open = await get("/explorer/config.json", {}, appWith({ auth: { disabled: true } }))
    expect(await open.json()).toMatchObject({ authentication: false, issuer: null, clientId: null })
    expect(
      (await get("/explorer/", {}, appWith({ auth: { disabled: true } }))).headers.get("Content-Security-Policy"),
    ).toContain("connect-src 'self';")
  })

  test("is absent if it is disabled or was not built", () => {
    expect(appWith({ explorer: { enabled: false } })).toBeUndefined()
    expect(appWith({}, join(built, "assets"))).toBeUndefined()
  })
})

import { once } from "node:events"
import { request as ask, createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, onTestFinished, test } from "vitest"
import { aSandbox, environmentOf, serving, until } from "./a-process.ts"

/** A gateway that serves the proxy below `/storage` and strips the prefix, like an ingress. */
const behindGateway = async () => {
  const { url } = await serving([], { environment: environmentOf(await aSandbox()) })
  await until(async () => (await fetch(`${url}/healthz/ready`)).status === 200)
  const gateway = createServer((incoming, outgoing) => {
    const path = /^\/storage(\/.*)$/.exec(incoming.url ?? "")?.[1]
    if (path === undefined) return void outgoing.writeHead(418).end("left the prefix")
    const { method, headers } = incoming
    ask(`${url}${path}`, { method: method ?? "GET", headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 0, response.headers)
      response.pipe(outgoing)
    }).end()
  })
  gateway.listen(0, "127.0.0.1")
  await once(gateway, "listening")
  onTestFinished(() => {
    gateway.closeAllConnections()
    gateway.close()
  })
  return `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/storage`
}

const linkOf = ({ headers }: Response, relation: string): string | undefined =>
  new RegExp(`<([^>]*)>; rel="${relation}"`).exec(headers.get("link") ?? "")?.[1]

describe("behind a gateway that strips a path prefix", () => {
  test("a walk by Link reaches the end and every entry, with and without the trailing slash", async () => {
    const base = await behindGateway()
    for (const path of ["/api/storage-resources/", "/api/storage-resources"]) {
      const seen: Array<string> = []
      let url: string | undefined = `${base}${path}?page_size=7`
      let total = 0
      while (url !== undefined) {
        const response: Response = await fetch(url)
        expect([url, response.status]).toEqual([url, 200])
        const { resources, pagination } = (await response.json()) as {
          resources: ReadonlyArray<{ itemId: string; mountPoint: { default: string } }>
          pagination: { total: number }
        }
        seen.push(...resources.map(({ itemId, mountPoint }) => `${itemId} ${mountPoint.default}`))
        total = pagination.total
        const next = linkOf(response, "next")
        url = next === undefined ? undefined : new URL(next, response.url).href
        for (const relation of ["first", "last"]) {
          const other = new URL(linkOf(response, relation) ?? "", response.url)
          expect((await fetch(other, { method: "HEAD" })).status).toBe(200)
        }
      }
      expect([new Set(seen).size, total > 14]).toEqual([total, true])
    }
  })

  test("a walk whose snapshot is gone finds its first page", async () => {
    const base = await behindGateway()
    const gone = await fetch(`${base}/api/storage-resources/?page_size=7&page=2&snapshot=gone&storage_system=capstor`)
    expect(gone.status).toBe(410)
    const first = new URL(linkOf(gone, "first") ?? "", gone.url)
    const again = await fetch(first)
    const { pagination, filters_applied } = (await again.json()) as Record<string, Record<string, unknown>>
    expect([again.status, pagination?.limit, pagination?.current, filters_applied?.storage_system]).toEqual([
      200,
      7,
      1,
      "capstor",
    ])
  })

  test("the API reference finds its page, its assets, its document and the API", async () => {
    const base = await behindGateway()
    const page = await fetch(`${base}/docs`)
    expect([page.status, page.url]).toEqual([200, `${base}/docs/`])
    const parts = [...(await page.text()).matchAll(/(?:href|src)="([^"]*)"/g)].map(([, part = ""]) => part)
    expect(parts.length).toBe(4)
    for (const part of parts) expect((await fetch(new URL(part, page.url))).status).toBe(200)
    const start = await (await fetch(new URL("start.js", page.url))).text()
    const document = await fetch(new URL(/url: "([^"]*)"/.exec(start)?.[1] ?? "", page.url))
    expect(document.url).toBe(`${base}/openapi.json`)
    const { servers, paths } = (await document.json()) as { servers: ReadonlyArray<{ url: string }>; paths: object }
    // OpenAPI 3.1 section 4.6: a server is relative to the document; a path is appended to it.
    const server = new URL(servers[0]?.url ?? "/", document.url).href.replace(/\/$/, "")
    for (const path of Object.keys(paths).filter((path) => !path.includes("{")))
      expect((await fetch(`${server}${path}`)).status).toBe(200)
  })
})

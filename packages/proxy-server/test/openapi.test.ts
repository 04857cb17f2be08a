import type { Sandbox } from "@cscs/sandbox"
import { Schema } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { ErrorBody, QueryErrorBody } from "../src/http/http-errors.ts"
import { DebugResponse } from "../src/routes/debug-response.ts"
import { ReadinessReport } from "../src/routes/readiness.ts"
import { StorageList } from "../src/routes/storage-list.ts"
import { type Any, aProxy, type Got, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"
import { violations } from "./json-schema.ts"

let proxy: TestedProxy
let document: Any
beforeAll(async () => {
  // The world with all edge cases: odd data is served somehow, and must match too.
  proxy = await startProxy()
  document = (await proxy.get("/openapi.json")).json
})
afterAll(() => proxy.close())

/** Addresses of a run differ from those of the next. */
const anonymous = (value: unknown, { waldur }: Sandbox): Any =>
  JSON.parse(JSON.stringify(value).replaceAll(new URL(waldur.url).origin, "https://waldur.example.org"))
const only = (value: Any, ...keys: ReadonlyArray<string>) => Object.fromEntries(keys.map((key) => [key, value[key]]))

const everyNode = (node: unknown, visit: (node: Any, path: string) => void, path = "#"): void => {
  if (typeof node !== "object" || node === null) return
  visit(node, path)
  for (const [key, inner] of Object.entries(node)) everyNode(inner, visit, `${path}/${key}`)
}
const resolve = (reference: string): unknown =>
  reference
    .replace(/^#\//, "")
    .split("/")
    .reduce<Any>((node, key) => node?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], document)

const list = "/api/storage-resources/"
const debugMode = "/api/storage-resources"
const operation = (path = list) => document.paths[path].get
const schemaOf = ({ schema }: Any): Any => ("$ref" in schema ? resolve(schema.$ref) : schema)
const described = (path: string, status: number) =>
  document.paths[path].get.responses[status]?.content["application/json"].schema

/** The response matches the document, and the Effect schema that generated the description. */
const matches = (got: Got, path: string, schema: Schema.Top) => {
  expect(violations(got.json, described(path, got.status), document)).toEqual([])
  Schema.decodeUnknownSync(schema as Schema.Codec<unknown>, { onExcessProperty: "error", errors: "all" })(got.json)
}

const withAuthentication = ({ issuer }: Sandbox) => ({
  auth: { keycloak_url: issuer.baseUrl, keycloak_client_id: "x" },
})

/** Readers of the document may rely on headers that it declares as always present. */
const hasItsHeaders = (got: Got, path: string) => {
  const headers = Object.entries<Any>(document.paths[path].get.responses[got.status].headers)
  const required = headers.flatMap(([name, { required }]) => (required ? [name] : []))
  expect(required.length).toBeGreaterThan(0)
  for (const name of required) expect([name, got.headers.get(name)]).toEqual([name, expect.any(String)])
}

describe("/openapi.json", () => {
  test("is an OpenAPI 3.1 document with info, paths and components", async () => {
    const { status, headers } = await proxy.get("/openapi.json")
    expect([status, headers.get("content-type")]).toEqual([200, expect.stringMatching(/^application\/json/)])
    expect(document.openapi).toMatch(/^3\.1\.\d+$/)
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) })
    const allowed = [
      "openapi",
      "info",
      "jsonSchemaDialect",
      "servers",
      "paths",
      "webhooks",
      "components",
      "security",
      "tags",
      "externalDocs",
    ]
    for (const key of Object.keys(document)) expect(allowed).toContain(key)
    // Relative to the document's own URL (section 4.8.5), so that it works behind a path prefix.
    expect(document.servers).toEqual([{ url: "." }])
    // The list's URL without its slash stands for debug mode, which is a parameter of the same URL.
    expect(Object.keys(document.paths).sort()).toEqual([
      "/api/storage-resources",
      "/api/storage-resources/",
      "/api/storage-resources/{uuid}/explanation",
      "/healthz/live",
      "/healthz/ready",
      "/metrics",
    ])
  })

  test("has as examples what the sandbox's proxy responds, shortened in debug mode", async () => {
    const { version: _, ...page } = (await proxy.list("storage_system=capstor&data_type=store&state=OK&page_size=3"))
      .json
    const debug = (await proxy.list("debug=true&storage_system=vast&page_size=1")).json
    const [row] = debug.raw_resources.resources
    const shortened = {
      ...debug,
      waldur_offering_details: only(debug.waldur_offering_details, "uuid", "slug", "name", "type", "state"),
      raw_resources: {
        ...debug.raw_resources,
        resources: [only(row, "uuid", "slug", "state", "limits", "attributes", "options", "order_in_progress")],
      },
      skipped: debug.skipped.slice(0, 1),
      warnings: debug.warnings.slice(0, 1),
    }
    const ready = (await proxy.ready()).json
    const explained = page.resources.at(-1).itemId
    const explanation = (await proxy.get(`/api/storage-resources/${explained}/explanation`)).json
    const examples = anonymous({ page, debug: shortened, ready, explanation }, proxy.sandbox)
    await expect(`${JSON.stringify(examples, null, 2)}\n`).toMatchFileSnapshot("../src/openapi/examples.json")
  })

  test("has in each operation an id, a tag, and of each JSON body a named schema and an example that it allows", () => {
    const ids = new Set<string>()
    const tags = document.tags.map(({ name }: Any) => name)
    let examples = 0
    for (const [path, { get }] of Object.entries<Any>(document.paths)) {
      ids.add(get.operationId)
      expect([path, tags]).toEqual([path, expect.arrayContaining(get.tags)])
      for (const [status, { content = {} }] of Object.entries<Any>(get.responses)) {
        for (const [type, { schema, example }] of Object.entries<Any>(content)) {
          examples += 1
          expect([path, status, type, violations(example, schema, document)]).toEqual([path, status, type, []])
          if (type === "application/json") expect(schema.$ref).toMatch(/^#\/components\/schemas\/\w+$/)
        }
      }
    }
    expect(ids.size).toBe(Object.keys(document.paths).length)
    expect(examples).toBeGreaterThan(15)
  })

  test("names each object and each enumeration, for the types of generated clients", () => {
    everyNode(document, (node, path) => {
      if (/\/example\//.test(path)) return
      const isNamed = /^#\/components\/schemas\/\w+$/.test(path) || /\/(parameters|properties)$/.test(path)
      const isType = isNamed || ("properties" in node && node.type === "object") || (node.enum?.length ?? 0) > 1
      if (isType) expect([path, isNamed]).toEqual([path, true])
      if (node.type === "array") expect([path, "items" in node || "prefixItems" in node]).toEqual([path, true])
    })
  })

  test("tells the kinds of targets apart by targetType", () => {
    const { oneOf, discriminator } = document.components.schemas.Target
    expect(discriminator.propertyName).toBe("targetType")
    expect(Object.keys(discriminator.mapping)).toEqual(["tenant", "customer", "project", "user"])
    expect(Object.values(discriminator.mapping)).toEqual(oneOf.map(({ $ref }: Any) => $ref))
    for (const [value, reference] of Object.entries<string>(discriminator.mapping)) {
      expect(resolve(reference)).toMatchObject({ properties: { targetType: { const: value } } })
    }
  })

  test("has only $ref values that resolve", () => {
    let found = 0
    everyNode(document, (node, path) => {
      if (typeof node.$ref !== "string") return
      found += 1
      expect([path, node.$ref, typeof resolve(node.$ref)]).toEqual([path, node.$ref, "object"])
    })
    expect(found).toBeGreaterThan(5)
    for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[A-Za-z0-9._-]+$/)
  })

  test("has in each operation a summary and responses, each with a description, and no OpenAPI 3.0 key", () => {
    for (const [path, item] of Object.entries<Any>(document.paths)) {
      for (const [method, one] of Object.entries<Any>(item)) {
        expect([path, method]).toEqual([path, "get"])
        expect(one.summary).toEqual(expect.any(String))
        expect(Object.keys(one.responses).length).toBeGreaterThan(0)
        for (const [status, response] of Object.entries<Any>(one.responses)) {
          expect(status).toMatch(/^[1-5]\d\d$/)
          expect(response.description).toEqual(expect.any(String))
        }
      }
    }
    everyNode(document.components.schemas, (node) => {
      expect("nullable" in node && typeof node.nullable === "boolean").toBe(false)
      expect(typeof node.exclusiveMinimum === "boolean").toBe(false)
    })
  })

  test("describes each parameter with its range and default", () => {
    const parameters: ReadonlyArray<Any> = operation().parameters.filter((one: Any) => one.in === "query")
    const by = Object.fromEntries(parameters.map((one) => [one.name, one]))
    expect(parameters.map(({ name }) => name).sort()).toEqual(
      ["data_type", "page", "page_size", "snapshot", "state", "status", "storage_system"].sort(),
    )
    for (const one of parameters) {
      expect([one.name, one.in, one.required ?? false]).toEqual([one.name, "query", false])
      expect([one.name, one.description ?? one.schema.description]).toEqual([one.name, expect.any(String)])
    }
    expect(by.page.schema).toMatchObject({ type: "integer", minimum: 1, default: 1 })
    expect(by.page_size.schema).toMatchObject({ type: "integer", minimum: 1, maximum: 500, default: 100 })
    expect(schemaOf(by.storage_system).enum).toEqual(["capstor", "vast", "iopsstor"])
    expect(schemaOf(by.state).enum.toSorted()).toEqual([
      "Creating",
      "Erred",
      "OK",
      "Terminated",
      "Terminating",
      "Updating",
    ])
    const debugParameters: ReadonlyArray<Any> = operation(debugMode).parameters
    expect(debugParameters.find(({ name }) => name === "debug")).toMatchObject({ required: true })
    for (const name of ["data_type", "status"]) expect(by[name].schema.type).toBe("string")
  })

  test("has the configured storage systems among the allowed ones", async () => {
    const other = await aProxy({ world: aWorld(6), document: () => ({ storage_systems: { tape: "vast" } }) })
    const { components } = (await other.get("/openapi.json")).json
    expect(components.schemas.StorageSystemName.enum).toEqual(["capstor", "vast", "iopsstor", "tape"])
  })

  test("does not bound integers by the range of a double", () => {
    everyNode(document, (node, path) => {
      expect([path, Math.abs(node.minimum ?? 0), Math.abs(node.maximum ?? 0)]).not.toContain(Number.MAX_SAFE_INTEGER)
    })
  })

  test("declares that the list requires a bearer token, or may do without if authentication is off", async () => {
    expect(operation().security).toEqual([{}, { bearer: [] }])
    const closed = await aProxy({ world: aWorld(6), document: withAuthentication })
    const { paths } = (await closed.get("/openapi.json")).json
    expect(paths["/api/storage-resources/"].get.security).toEqual([{ bearer: [] }])
    expect(document.components.securitySchemes.bearer).toMatchObject({ type: "http", scheme: "bearer" })
    expect(Object.keys(operation().responses)).toEqual(expect.arrayContaining(["200", "401", "422", "500", "502"]))
  })
})

describe("the description matches", () => {
  test("the list, in every selection", async () => {
    for (const query of ["page_size=500", "storage_system=capstor&state=Updating", "data_type=nothing", "page=99"]) {
      const got = await proxy.list(query)
      expect(got.status).toBe(200)
      matches(got, list, StorageList)
      hasItsHeaders(got, list)
    }
    expect((await proxy.list("page_size=500")).json.resources.length).toBeGreaterThan(200)
  })

  test("only what the list contains: a stray key or a wrong type is detected", async () => {
    const { json } = await proxy.list("page_size=3")
    const schema = described(list, 200)
    const [first] = json.resources
    expect(violations(json, schema, document)).toEqual([])
    expect(violations({ ...json, resources: [{ ...first, status: "gone" }] }, schema, document)).not.toEqual([])
    expect(violations({ ...json, resources: [{ ...first, itemId: 5 }] }, schema, document)).not.toEqual([])
    expect(violations({ ...json, pagination: {} }, schema, document)).not.toEqual([])
    expect(violations({ detail: "x", error: "y" }, schema, document)).not.toEqual([])
  })

  test("debug mode", async () => {
    for (const query of ["debug=1", "debug=1&storage_system=vast&state=OK&page_size=300", "debug=1&page=99"]) {
      matches(await proxy.list(query), debugMode, DebugResponse)
    }
  })

  test("422", async () => {
    for (const query of ["page=0&page_size=x&state=&debug=huh", "storage_system=", "storage_system=x"]) {
      const got = await proxy.list(query)
      expect(got.status).toBe(422)
      matches(got, list, QueryErrorBody)
    }
  })

  test("401", async () => {
    const closed = await aProxy({ world: aWorld(6), document: withAuthentication })
    const got = await closed.list()
    expect(got.status).toBe(401)
    matches(got, list, ErrorBody)
    hasItsHeaders(got, list)
  })

  test("a page number beyond the range of a double", async () => {
    const got = await proxy.list("page=99999999999999999999")
    expect(got.status).toBe(200)
    expect(violations(got.json, described(list, 200), document)).toEqual([])
  })

  test("304, without a body and with its headers", async () => {
    const { headers } = await proxy.list()
    const got = await proxy.get(list, { headers: { "If-None-Match": headers.get("ETag") ?? "" } })
    expect([got.status, got.text]).toEqual([304, ""])
    expect(document.paths[list].get.responses[304].content).toBeUndefined()
    hasItsHeaders(got, list)
  })

  test("410", async () => {
    const got = await proxy.list("snapshot=gone")
    expect(got.status).toBe(410)
    matches(got, list, ErrorBody)
    hasItsHeaders(got, list)
  })

  test("503 with the causes that the operation has", () => {
    const causes = [list, "/api/storage-resources", "/api/storage-resources/{uuid}/explanation"].map(
      (path) => document.paths[path].get.responses[503].description.split("; or ")[1],
    )
    expect(causes).toEqual([
      undefined,
      "too many reads with debug=true are running.",
      "too many explanations are being made.",
    ])
  })

  test("metrics", async () => {
    const { status, headers } = await proxy.get("/metrics")
    const types = Object.keys(document.paths["/metrics"].get.responses[status].content)
    expect(types).toEqual([headers.get("content-type")?.split(";")[0]])
  })

  test("502, and health before and after", async () => {
    const failing = await aProxy({ world: aWorld(6), prepare: ({ faults }) => faults.set("waldur", { status: 403 }) })
    const got = await failing.list()
    expect(got.status).toBe(502)
    matches(got, list, ErrorBody)
    const starting = await failing.ready()
    expect(starting.status).toBe(503)
    matches(starting, "/healthz/ready", ReadinessReport)
    const ready = await proxy.ready()
    expect(ready.status).toBe(200)
    matches(ready, "/healthz/ready", ReadinessReport)
    expect(violations((await proxy.get("/healthz/live")).json, described("/healthz/live", 200), document)).toEqual([])
  })
})

test("only a page and its files may run scripts: no other response, errors included", async () => {
  const policyOf = async (path: string, init?: RequestInit) =>
    (await proxy.get(path, init)).headers.get("content-security-policy")
  for (const path of ["/docs", "/docs/", "/docs/start.js", "/docs/swagger-ui.css", "/favicon.svg"]) {
    expect(await policyOf(path)).toContain("script-src 'self'")
  }
  const data = ["/", "/docs/nothing", "/nothing", "/metrics", "/openapi.json", "/healthz/live", "/healthz/ready"]
  for (const path of [...data, "/api/storage-resources/", "/api/storage-resources/x/explanation"]) {
    expect([path, await policyOf(path)]).toEqual([path, "default-src 'none'; frame-ancestors 'none'"])
  }
  expect(await policyOf("/docs/", { method: "POST" })).toBe("default-src 'none'; frame-ancestors 'none'")
})

describe("/", () => {
  const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

  test("is a page for browsers, with scripts and styles of its origin only, and each of its links exists", async () => {
    const { status, headers, text } = await proxy.get("/", { headers: { Accept: browser } })
    expect([status, headers.get("content-type")]).toEqual([200, expect.stringMatching(/^text\/html/)])
    expect(headers.get("vary")).toBe("Accept")
    expect(headers.get("content-security-policy")).toMatch(/script-src 'self'; style-src 'self';/)
    const links = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, target = ""]) => target)
    expect(links).toEqual([
      "favicon.svg",
      // Of a workspace that has not been built, the explorer is missing.
      ...((await proxy.get("/explorer/")).status === 200 ? ["explorer/"] : []),
      "docs/",
      "openapi.json",
      "api/storage-resources/",
      "healthz/ready",
      "metrics",
    ])
    for (const link of links) expect([link, (await proxy.get(`/${link}`)).status]).toEqual([link, 200])
    expect(text).not.toMatch(/<script|<style|\son\w+=|https?:\/\//)
  })

  test("is 404 for callers that do not prefer HTML", async () => {
    for (const Accept of ["*/*", "application/json", "application/json, text/html", "text/html;q=0.5, */*", ""]) {
      const { status, json, headers } = await proxy.get("/", { headers: { Accept } })
      expect(headers.get("vary")).toBe("Accept")
      expect([Accept, status, json]).toEqual([Accept, 404, { detail: "Not Found", error: "NotFound" }])
    }
  })
})

describe("/docs/", () => {
  test("loads only what the proxy itself serves", async () => {
    const { status, headers, text } = await proxy.get("/docs/")
    expect([status, headers.get("content-type")]).toEqual([200, expect.stringMatching(/^text\/html/)])
    const loaded = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, target = ""]) => target)
    expect(loaded.length).toBeGreaterThan(2)
    for (const target of loaded) {
      const url = new URL(target, "http://proxy/docs/")
      expect(url.origin).toBe("http://proxy")
      expect([target, (await proxy.get(url.pathname)).status]).toEqual([target, 200])
    }
    // No script or style in the page itself, which a content security policy would refuse.
    expect(text).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|javascript:|https?:\/\//)
  })

  test("has a script that renders this proxy's own description", async () => {
    const { text, headers } = await proxy.get("/docs/start.js")
    expect(headers.get("content-type")).toMatch(/^text\/javascript/)
    const [, url = ""] = /url: "([^"]*)"/.exec(text) ?? []
    expect(new URL(url, "http://proxy/docs/").href).toBe("http://proxy/openapi.json")
    expect(text).not.toMatch(/https?:/)
  })

  test("is the target of /docs", async () => {
    const { status, headers } = await proxy.get("/docs")
    expect(status).toBeGreaterThanOrEqual(301)
    expect(status).toBeLessThan(309)
    expect(new URL(headers.get("location") ?? "", "http://proxy/docs").pathname).toBe("/docs/")
  })
})

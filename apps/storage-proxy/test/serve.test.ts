import { writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { connect } from "node:net"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { aDirectory, aFile, aSandbox, environmentOf, finished, serving, until } from "./a-process.ts"

const isReady = (url: string) => async () => (await fetch(`${url}/healthz/ready`)).status === 200

describe("serve", () => {
  test("listens at a free port, with the configuration from a file", async () => {
    const sandbox = await aSandbox()
    const { url } = await serving(["--config", await aFile(sandbox)])
    expect(new URL(url).hostname).toBe("127.0.0.1")
    const response = await fetch(`${url}/api/storage-resources/?page_size=5`)
    expect(response.status).toBe(200)
    expect(response.headers.get("link")).toContain('rel="next"')
    const { resources, pagination } = (await response.json()) as { resources: unknown[]; pagination: { total: number } }
    expect(resources.length).toBe(5)
    expect(pagination.total).toBeGreaterThan(20)
    await until(isReady(url))
    expect((await fetch(`${url}/docs/swagger-ui.css`)).status).toBe(200)
    const head = await fetch(`${url}/api/storage-resources`, { method: "HEAD" })
    expect([head.status, await head.text()]).toEqual([200, ""])
    expect((await fetch(`${url}/api/storage-resources/`, { method: "DELETE" })).headers.get("allow")).toBe("GET, HEAD")
  })

  test("needs only the environment, or a .env in the working directory", async () => {
    const sandbox = await aSandbox()
    const environment = environmentOf(sandbox)
    const directory = await aDirectory()
    await writeFile(
      join(directory, ".env"),
      Object.entries(environment)
        .map(([name, value]) => `${name}='${value}'`)
        .join("\n"),
    )
    const [one, other] = await Promise.all([serving([], { environment }), serving([], { directory })])
    for (const { url } of [one, other]) expect((await fetch(`${url}/api/storage-resources/`)).status).toBe(200)
  })

  test("exits with 0 on SIGTERM and SIGINT", async () => {
    const sandbox = await aSandbox()
    const environment = environmentOf(sandbox)
    const both = await Promise.all([serving([], { environment }), serving([], { environment })])
    const [one, other] = both
    await Promise.all(both.map(({ url }) => until(isReady(url))))
    one.child.kill("SIGTERM")
    other.child.kill("SIGINT")
    expect([await one.ended, await other.ended]).toEqual([0, 0])
    expect(one.stderr()).toContain('"event":"stopping"')
    expect(one.stdout()).toBe("")
  })

  test("finishes an open request after SIGTERM, and accepts no other connection", async () => {
    const sandbox = await aSandbox()
    const fault = sandbox.faults.set("waldur", { latencyMs: 60 })
    const { url, child, ended, stderr } = await serving([], { environment: environmentOf(sandbox) })
    const open = fetch(`${url}/api/storage-resources/`)
    await until(() => fault.struck > 0)
    child.kill("SIGTERM")
    await until(() => stderr().includes('"event":"stopping"'))
    await until(() =>
      fetch(`${url}/healthz/live`).then(
        () => false,
        () => true,
      ),
    )
    const response = await open
    expect(response.status).toBe(200)
    expect(((await response.json()) as { resources: unknown[] }).resources.length).toBeGreaterThan(20)
    expect(await ended).toBe(0)
  })

  test("is not kept running by an idle connection", async () => {
    const sandbox = await aSandbox()
    const { url, child, ended } = await serving([], { environment: environmentOf(sandbox) })
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    let received = ""
    socket.on("data", (text) => {
      received += text
    })
    socket.on("error", () => {})
    socket.write("GET /healthz/live HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(() => received.includes("live"))
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
  })

  test("reports a taken port in one line, with exit code 1", async () => {
    const sandbox = await aSandbox()
    const taken = createServer().listen(0, "127.0.0.1")
    await until(() => taken.listening)
    onTestFinished(() => void taken.close())
    const { port } = taken.address() as AddressInfo
    const { code, stdout, stderr } = await finished(["serve", "--port", String(port)], {
      environment: environmentOf(sandbox),
    })
    expect(code).toBe(1)
    expect(stdout).toBe("")
    expect(stderr).toContain(`Cannot listen at 127.0.0.1:${port}: another process listens there; choose another --port`)
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  test("reports disabled authentication and mock GIDs at the start", async () => {
    const sandbox = await aSandbox()
    const environment = { ...environmentOf(sandbox), HPC_USER_DEVELOPMENT_MODE: "1" }
    const { stderr } = await serving([], { environment })
    const warnings = stderr()
      .split("\n")
      .filter((line) => line.includes('"level":"WARN"'))
      .join("\n")
    expect(warnings).toContain("authentication is disabled")
    expect(warnings).toContain("mock")
  })

  test("logs JSON lines on standard error, with more details at DEBUG", async () => {
    const sandbox = await aSandbox()
    const { stderr, stdout, url } = await serving([], { environment: environmentOf(sandbox) })
    await until(isReady(url))
    const lines = stderr().trim().split("\n")
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) })
    expect(stderr()).not.toContain('"level":"DEBUG"')
    expect(stdout()).toBe("")
  })

  test("shows no secret in any output, also at DEBUG=true and while upstreams fail", async () => {
    const sandbox = await aSandbox()
    const environment = {
      ...environmentOf(sandbox),
      DEBUG: "true",
      CSCS_KEYCLOAK_CLIENT_SECRET: "hunter2-keycloak",
      CACHE_FRESH_FOR: "0",
    }
    const running = await serving([], { environment })
    const bodies: Array<string> = []
    const ask = async (path: string) => {
      bodies.push(await (await fetch(`${running.url}${path}`)).text())
    }
    const all = async () => {
      for (const path of [
        "/api/storage-resources/",
        "/api/storage-resources/?debug=true",
        "/healthz/ready",
        "/openapi.json",
      ]) {
        await ask(path)
      }
    }
    await until(isReady(running.url))
    await all()
    const issued = sandbox.calls.of("hpcUserApi").map(({ headers }) => headers.get("authorization") ?? "")
    sandbox.faults.set("waldur", { status: 403 })
    await all()
    sandbox.faults.clear()
    sandbox.faults.set("waldur", { body: { json: { detail: sandbox.waldur.token } }, status: 401 })
    await all()
    running.child.kill("SIGTERM")
    await running.ended
    const output = [running.stdout(), running.stderr(), ...bodies].join("\n")
    expect(issued.length).toBeGreaterThan(0)
    const secrets = [
      sandbox.waldur.token,
      sandbox.hpcUserApi.clientSecret,
      "hunter2-keycloak",
      "secret-admin-password",
      ...issued.map((header) => header.replace("Bearer ", "")),
    ]
    for (const secret of secrets) expect(output).not.toContain(secret)
  })

  test("starts while upstreams are down, and becomes ready by itself", async () => {
    const sandbox = await aSandbox()
    sandbox.faults.set("waldur", { status: 403 })
    const environment = { ...environmentOf(sandbox), CACHE_FRESH_FOR: "1s" }
    const { url } = await serving([], { environment })
    expect((await fetch(`${url}/healthz/live`)).status).toBe(200)
    expect((await fetch(`${url}/healthz/ready`)).status).toBe(503)
    expect((await fetch(`${url}/api/storage-resources/`)).status).toBe(502)
    sandbox.faults.clear()
    await until(isReady(url))
  })

  test("refuses the list to callers without a token if authentication is on", async () => {
    const sandbox = await aSandbox()
    const { url, stderr } = await serving(["--config", await aFile(sandbox, { auth: { keycloak_client_id: "x" } })])
    const response = await fetch(`${url}/api/storage-resources/`)
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"])
    expect(stderr()).not.toContain("authentication is disabled")
  })
})

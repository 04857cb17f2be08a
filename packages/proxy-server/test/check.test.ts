import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { sandboxEnvironment } from "@cscs/harness"
import { type Sandbox, startSandbox } from "@cscs/sandbox"
import { Clock, Effect } from "effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { checked, loadSettings } from "../src/index.ts"
import { clockAhead } from "./a-clock-ahead.ts"
import { aWorld } from "./a-world.ts"

const aSandbox = async (): Promise<Sandbox> => {
  const sandbox = await startSandbox({ world: aWorld(6) })
  onTestFinished(() => sandbox.close())
  return sandbox
}

const aServer = async (respond: RequestListener): Promise<string> => {
  const server = createServer(respond).listen(0, "127.0.0.1")
  onTestFinished(() => void server.close())
  await once(server, "listening")
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const answering =
  (status: number, headers: Record<string, string>, body = ""): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end(body)
const json = { "Content-Type": "application/json" }

const token = "0123456789abcdef0123456789abcdef01234567"
const onlyCapstor = '{"capstor": "capstor"}'

const checkedWith = async (environment: Record<string, string>, ahead = () => 0) => {
  const settings = await Effect.runPromise(
    loadSettings({
      environment: {
        WALDUR_API_TOKEN: token,
        STORAGE_SYSTEMS: onlyCapstor,
        DISABLE_AUTH: "true",
        HPC_USER_API_FALLBACK: "mock",
        ...environment,
      },
      workingDirectory: tmpdir(),
    }),
  )
  const { results } = await Effect.runPromise(
    checked(settings).pipe(Effect.provideService(Clock.Clock, clockAhead(ahead))),
  )
  return results
}

const waldurAt = async (url: string) => {
  const [waldur] = (await checkedWith({ WALDUR_API_URL: url })).filter(({ name }) => name === "Waldur")
  expect(JSON.stringify(waldur)).not.toContain(token)
  return { ok: waldur?.ok, detail: waldur?.detail, advice: waldur?.advice }
}

describe("check names what is at waldur_api_url if it is not a Waldur:", () => {
  const refusedBy = (name: string, wants = "") => answering(401, { ...json, "WWW-Authenticate": name }, wants)

  test.each<[string, RequestListener, RegExp, RegExp]>([
    [
      "a web page",
      answering(200, { "Content-Type": "text/html" }, "<html><form>hunter2</form></html>"),
      /it returns a web page \(200\)$/,
      /^Correct waldur_api_url: .*login page/,
    ],
    [
      "a redirect to a login page, without its query",
      answering(302, { Location: "https://login.example.org/sso?state=hunter2" }),
      /it redirects to https:\/\/login\.example\.org\/sso \(302\)$/,
      /one that redirects/,
    ],
    [
      "a redirect within the host",
      answering(301, { Location: "/login" }),
      /it redirects \(301\)$/,
      /one that redirects/,
    ],
    [
      "a Keycloak",
      answering(404, json, '{"error":"Unable to find matching target resource method"}'),
      /it is a Keycloak \(404\)$/,
      /auth\.keycloak_url/,
    ],
    [
      "a service with other tokens",
      refusedBy('Bearer realm="x"', '{"error":"unauthorized"}'),
      /asks for Bearer credentials \(401\)$/,
      /another service/,
    ],
    [
      "a service that gives no reason for its refusal",
      answering(403, json, '{"error":"forbidden"}'),
      /asks for a login \(403\)$/,
      /another service/,
    ],
    ["another API", answering(200, json, '{"hunter2": 1}'), /something other than a list \(200\)$/, /another service/],
    [
      "a server without such a path",
      answering(404, json, '{"detail":"x"}'),
      /nothing is there \(404\)$/,
      /before \/api\//,
    ],
  ])("%s", async (_, respond, detail, advice) => {
    const url = await aServer(respond)
    const found = await waldurAt(url)
    expect(found).toEqual({ ok: false, detail: expect.stringMatching(detail), advice: expect.stringMatching(advice) })
    expect(found.detail).toContain(`${url}/api/ is not the API of a Waldur`)
    expect(JSON.stringify(found)).not.toContain("hunter2")
  })

  test("a path that the Waldur there does not have, with the right address", async () => {
    const { waldur } = await aSandbox()
    const found = await waldurAt(new URL("/waldur/", waldur.url).href)
    expect(found.detail).toMatch(/\/waldur\/api\/ is not the API of a Waldur: nothing is there \(404\)$/)
    expect(found.advice).toBe(`Set waldur_api_url to ${waldur.url}: a Waldur responds there.`)
  })
})

test("check reports a refused token, and no other service, if a Waldur refuses it, with and without WWW-Authenticate", async () => {
  const sandbox = await aSandbox()
  const refused = {
    ok: false,
    detail: expect.stringContaining("Waldur refused the API token"),
    advice: expect.stringContaining("Set waldur_api_token"),
  }
  expect(await waldurAt(sandbox.waldur.url)).toEqual(refused)
  const withoutHeader = ({ headers, ...rest }: { status: number; headers: Headers; body: Uint8Array }) => {
    headers.delete("WWW-Authenticate")
    return { headers, ...rest }
  }
  sandbox.faults.set("waldur", { rewrite: withoutHeader })
  expect(await waldurAt(sandbox.waldur.url)).toEqual(refused)
})

describe("check measures each call, and warns of a slow one:", () => {
  const callsOf = async (slow: Parameters<Sandbox["faults"]["set"]> | undefined) => {
    const sandbox = await aSandbox()
    let ahead = 0
    if (slow !== undefined) {
      const [upstream, fault] = slow
      sandbox.faults.set(upstream, {
        ...fault,
        times: 1,
        rewrite: (answer) => {
          ahead += 40_000
          return answer
        },
      })
    }
    return checkedWith(
      {
        ...sandboxEnvironment(sandbox, true),
        STORAGE_SYSTEMS: onlyCapstor,
        HPC_USER_API_FALLBACK: "",
      },
      () => ahead,
    )
  }

  test.each<[string, string, Parameters<Sandbox["faults"]["set"]>]>([
    ["Waldur", "offerings", ["waldur", { path: /provider-offerings/ }]],
    ["Waldur", "first read", ["waldur", { path: /provider-resources/ }]],
    ["HPC User API", "token and lookup", ["hpcUserApi", {}]],
    ["token issuer", "issuer", ["issuer", { path: /certs/ }]],
  ])("%s, %s", async (name, call, slow) => {
    const result = (await callsOf(slow)).find((each) => each.name === name)
    expect(result).toMatchObject({ ok: true, isDoubtful: true, advice: expect.stringContaining(call) })
    expect(result?.calls?.find((each) => each.call === call)?.seconds).toBeGreaterThanOrEqual(40)
  })

  test("none of a quick system", async () => {
    const results = await callsOf(undefined)
    expect(results.filter(({ isDoubtful }) => isDoubtful)).toEqual([])
    expect(results.map(({ name, calls = [] }) => [name, calls.map(({ call }) => call).toSorted()])).toEqual([
      ["Waldur", ["first read", "offerings", "version"]],
      ["offering capstor", []],
      ["HPC User API", ["token and lookup"]],
      ["token issuer", ["issuer"]],
    ])
  })
})

test("check warns of an offering none of whose resources is served, and names mount_roots", async () => {
  const { waldur } = await aSandbox()
  const offeringWith = async (mountRoots: string) =>
    (
      await checkedWith({
        WALDUR_API_URL: waldur.url,
        WALDUR_API_TOKEN: waldur.token,
        BACKEND_SETTINGS_MOUNT_ROOTS: mountRoots,
      })
    ).find(({ name }) => name === "offering capstor")
  expect(await offeringWith("/elsewhere")).toMatchObject({
    ok: true,
    isDoubtful: true,
    detail: expect.stringMatching(/records skipped: none is served$/),
    advice: expect.stringContaining("backend_settings.mount_roots"),
  })
  expect(await offeringWith("/capstor")).not.toHaveProperty("isDoubtful")
})

test("check warns of an offering none of whose resources is served, though its tenants and customers are", async () => {
  const sandbox = await aSandbox()
  sandbox.world.gids.clear()
  const results = await checkedWith({
    ...sandboxEnvironment(sandbox),
    HPC_USER_API_FALLBACK: "none",
  })
  expect(results.find(({ name }) => name === "offering capstor")).toMatchObject({
    isDoubtful: true,
    detail: expect.stringMatching(/records skipped: none is served$/),
  })
})

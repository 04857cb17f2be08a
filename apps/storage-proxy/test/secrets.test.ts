import { writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net"
import { join } from "node:path"
import type { Fault, Sandbox } from "@cscs/sandbox"
import { describe, expect, onTestFinished, test } from "vitest"
import { aDirectory, aSandbox, environmentOf, finished, serving, until } from "./a-process.ts"

/** Contains characters that a form, a URL, JSON and a header encode differently. */
const hpcUserSecret = 'Hpc+User/Secret=%41&"x"-7f3a9c2e51'
const keycloakSecret = "Keycloak Secret/+%2B-b81d44e6a0"
const proxyPassword = "ProxyPassword-5c0f3e7d19"
const wrongToken = "c0ffee5ec2e7c0ffee5ec2e7c0ffee5ec2e7c0ff"

/** Every spelling of the secret in a text. */
const spellings = (secret: string): ReadonlyArray<string> => {
  const forms = new Set([
    secret,
    encodeURIComponent(secret),
    encodeURI(secret),
    new URLSearchParams({ v: secret }).toString().slice(2),
    JSON.stringify(secret).slice(1, -1),
    JSON.stringify(JSON.stringify(secret)).slice(3, -3),
    secret.replaceAll("&", "&amp;").replaceAll('"', "&quot;"),
  ])
  // Base64 differs after one or two other bytes, as in Basic credentials.
  for (const shift of [0, 1, 2]) {
    const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)])
    const whole = bytes.toString("base64").slice(shift === 0 ? 0 : 4, -4)
    forms.add(whole).add(whole.replaceAll("+", "-").replaceAll("/", "_"))
  }
  return [...forms]
}

const expectNone = (what: string, output: string, secrets: ReadonlyArray<string>) => {
  for (const secret of secrets) {
    for (const spelling of spellings(secret)) {
      const at = output.indexOf(spelling)
      expect([what, secret, at < 0 ? "" : output.slice(Math.max(0, at - 120), at + 40)]).toEqual([what, secret, ""])
    }
  }
}

/** A world in which the proxy's clients have secrets. */
const aSecretiveSandbox = async () => {
  const sandbox = await aSandbox()
  const { clients } = sandbox.issuer.settings
  clients.set(sandbox.hpcUserApi.clientId, hpcUserSecret)
  clients.set(sandbox.issuer.audience.clientId, keycloakSecret)
  return sandbox
}

const secretsOf = ({ waldur }: Sandbox) => [waldur.token, hpcUserSecret, keycloakSecret, proxyPassword, wrongToken]

const environmentFor = (sandbox: Sandbox, more: Record<string, string> = {}): Record<string, string> => ({
  ...environmentOf(sandbox),
  HPC_USER_CLIENT_SECRET: hpcUserSecret,
  DEBUG: "true",
  DISABLE_AUTH: "",
  CSCS_KEYCLOAK_URL: sandbox.issuer.baseUrl,
  CSCS_KEYCLOAK_CLIENT_ID: sandbox.issuer.audience.clientId,
  CSCS_KEYCLOAK_CLIENT_SECRET: keycloakSecret,
  ...more,
})

const introspection = { AUTH_MODE: "introspection" }

/** Callers' credentials, good and bad; each part of an issuer's token is a secret. */
const callersOf = async (sandbox: Sandbox) => {
  const { issuer } = sandbox
  const tokens = [
    await issuer.issueToken(),
    await issuer.issueToken({ aud: "another-client", azp: "another-client" }),
    await issuer.issueToken({}, { key: "unknown" }),
    await issuer.issueToken({}, { alg: "none" }),
    await issuer.issueToken({}, { alg: "HS256" }),
    await issuer.issueToken({}, { expiresIn: -3600 }),
    await issuer.issueToken({ iss: "https://evil.example.org", typ: "ID" }),
    "opaque-caller-token-91be02d7",
  ]
  return {
    headers: [
      ...tokens.map((token) => `Bearer ${token}`),
      `Token ${wrongToken}`,
      wrongToken,
      `Bearer ${wrongToken} ${wrongToken}`,
      `Basic ${Buffer.from(`provisioner:${wrongToken}`).toString("base64")}`,
    ],
    secrets: tokens.flatMap((token) => token.split(".")).filter((part) => part.length > 12),
  }
}

const paths = [
  "/api/storage-resources/",
  "/api/storage-resources/?debug=true",
  "/api/storage-resources/?debug=true&storage_system=capstor",
  "/api/storage-resources/?page=x&state=y",
  "/healthz/ready",
  "/healthz/live",
  "/openapi.json",
  "/docs/",
  "/docs/start.js",
  "/nothing",
]

/** Requests every path with all credentials; returns all responses. */
const everyResponse = async (url: string, headers: ReadonlyArray<string>): Promise<string> => {
  const responses: Array<string> = []
  const ask = async (path: string, init: RequestInit) => {
    const response = await fetch(`${url}${path}`, init)
    responses.push(`${response.status}\n${[...response.headers].join("\n")}\n${await response.text()}`)
  }
  for (const path of paths) await ask(path, {})
  for (const authorization of headers) {
    for (const path of paths.slice(0, 4)) await ask(path, { headers: { Authorization: authorization } })
  }
  await ask(`/api/storage-resources/?access_token=${wrongToken}`, {})
  await ask("/api/storage-resources/", { method: "POST", body: wrongToken })
  return responses.join("\n\n")
}

/** A whole life of the process: start, all requests, stop. */
const servedAndAsked = async (sandbox: Sandbox, environment: Record<string, string>) => {
  const { headers, secrets } = await callersOf(sandbox)
  const running = await serving([], { environment })
  const responses = await everyResponse(running.url, headers)
  running.child.kill("SIGTERM")
  await running.ended
  return { output: running.stdout() + running.stderr(), responses, secrets }
}

const commands = [["check"], ["check", "--json"], ["export"]] as const

const expectSecretive = async (sandbox: Sandbox, environment: Record<string, string>) => {
  const [served, ...ends] = await Promise.all([
    servedAndAsked(sandbox, environment),
    ...commands.map((command) => finished([...command], { environment })),
  ])
  const secrets = [...secretsOf(sandbox), ...served.secrets]
  expectNone("the log", served.output, secrets)
  expectNone("a response", served.responses, secrets)
  for (const [index, { output }] of ends.entries()) expectNone(String(commands[index]), output, secrets)
  return { ...served, codes: ends.map(({ code }) => code), ends: ends.map(({ output }) => output).join("\n") }
}

/** A developer's error page that repeats its request. */
const echoing = (sandbox: Sandbox, upstream: "waldur" | "hpcUserApi" | "issuer", status: number): Fault => ({
  status,
  rewrite: (response) => {
    const call = sandbox.calls.of(upstream).at(-1)
    const headers = [...(call?.headers ?? [])].filter(([name]) => name === "authorization" || call?.method === "GET")
    const authorization = call?.headers.get("authorization") ?? ""
    const body = [
      authorization,
      call?.body,
      decodeURIComponent((call?.body ?? "").replaceAll("+", " ")),
      JSON.stringify(Object.fromEntries(headers)),
    ]
    return { ...response, headers: new Headers({ "Content-Type": "text/plain" }), body: Buffer.from(body.join(" ")) }
  },
})

describe("at the most verbose level no output contains a secret", () => {
  test("while everything works", async () => {
    const sandbox = await aSecretiveSandbox()
    for (const mode of [{}, introspection]) {
      const { codes, responses } = await expectSecretive(sandbox, environmentFor(sandbox, mode))
      // Check that the test has covered what it claims.
      expect(codes).toEqual([0, 0, 0])
      expect(responses).toContain('"raw_resources"')
      expect(responses).toMatch(/^401\n/m)
    }
  })

  test.each([
    ["waldur", 401, {}],
    ["waldur", 403, {}],
    ["hpcUserApi", 403, {}],
    ["issuer", 400, {}],
    ["issuer", 401, introspection],
  ] as const)("while %s repeats its request in a %i response, with the settings %j", async (upstream, status, mode) => {
    const sandbox = await aSecretiveSandbox()
    sandbox.faults.set(upstream, {
      ...echoing(sandbox, upstream, status),
      // Discovery works, so that the secret is sent.
      ...(upstream === "issuer" ? { path: /openid-connect\/(token|certs)/ } : {}),
    })
    const { codes, ends } = await expectSecretive(sandbox, environmentFor(sandbox, mode))
    expect(codes.slice(0, 2)).toEqual([1, 1])
    expect(ends).toMatch(/FAIL|"ok": false/)
  })

  test("while the secrets are wrong", async () => {
    const sandbox = await aSandbox()
    const environment = environmentFor(sandbox, { ...introspection, WALDUR_API_TOKEN: wrongToken })
    const { codes } = await expectSecretive(sandbox, environment)
    expect(codes).toEqual([1, 1, 1])
  })

  test("while a secret is invalid in a header, which ends the start", async () => {
    const sandbox = await aSecretiveSandbox()
    const environment = environmentFor(sandbox, { WALDUR_API_TOKEN: `${wrongToken}\u2713\u0007` })
    for (const command of [["serve", "--port", "0"], ["check"]]) {
      const { code, output } = await finished(command, { environment })
      expect(code).toBe(2)
      expectNone(command.join(" "), output, [wrongToken])
    }
  })

  /** The address for each kind of proxy failure. */
  const proxies = {
    "is away": async () => "socks5h://LOGIN@127.0.0.1:1",
    // RFC 1929: every login is refused.
    "takes no login": async () => {
      const server = createTcpServer((socket) => {
        socket.on("error", () => {})
        socket.once("data", () => {
          socket.write(Buffer.from([5, 2]))
          socket.once("data", () => socket.end(Buffer.from([1, 1])))
        })
      })
      return `socks5://LOGIN@127.0.0.1:${await portOf(server)}`
    },
    "repeats what it was sent": async () => {
      const server = createServer((request, response) => {
        response.writeHead(407).end(JSON.stringify(request.headers))
      })
      server.on("connect", (request, socket) => {
        const sent = JSON.stringify(request.headers)
        socket.end(`HTTP/1.1 407 ${proxyPassword}\r\nX-Sent: ${sent}\r\nContent-Length: ${sent.length}\r\n\r\n${sent}`)
      })
      return `http://LOGIN@127.0.0.1:${await portOf(server)}`
    },
  }
  const portOf = async (server: TcpServer) => {
    server.listen(0, "127.0.0.1")
    await until(() => server.listening)
    onTestFinished(() => void server.close())
    return (server.address() as AddressInfo).port
  }

  test.each(Object.entries(proxies))("while a proxy %s", async (_, start) => {
    const proxy = (await start()).replace("LOGIN", `provisioner:${proxyPassword}`)
    const sandbox = await aSecretiveSandbox()
    const ways = { WALDUR_SOCKS_PROXY: proxy, HPC_USER_SOCKS_PROXY: proxy, AUTH_SOCKS_PROXY: proxy }
    const { codes } = await expectSecretive(sandbox, environmentFor(sandbox, { ...introspection, ...ways }))
    expect(codes).toEqual([1, 1, 1])
  })

  const misplaced = "Misplaced-Secret-e7a1b2c3d4"

  test.each([
    `waldur_api_token: [${misplaced}]\nwaldur_api_url: https://bob:${misplaced}@waldur.example.org:x/\n`,
    `waldur_api_tokn: ${misplaced}\nhpc_user_api: {client_secrt: ${misplaced}, api_url: 5}\nauth: {keycloak_client_secret: {a: ${misplaced}}}\n`,
    `waldur_socks_proxy: bob:${misplaced}@proxy:1080\nhpc_user_api: {socks_proxy: "ftp://bob:${misplaced}@proxy"}\nauth: {socks_proxy: ["socks5://b:${misplaced}@p:1"]}\n`,
    `waldur_api_token: *${misplaced}\n`,
    `waldur_api_token: "${misplaced}\n`,
    `waldur_api_token: ${misplaced}\n  bad: indent: here\n`,
    `waldur_api_token: ${misplaced}\nwaldur_api_token: ${misplaced}\n`,
    `- ${misplaced}\n`,
    misplaced,
    `backend_settings: {hpc_user_client_secret: ${misplaced}, hpc_user_socks_proxy: "socks5://b:${misplaced}@p:99999"}\n`,
    `waldur_api_token_old: ${misplaced}\nwaldur_api_url: nowhere\n`,
  ])("while the configuration is invalid: %j", async (document) => {
    const file = join(await aDirectory(), "config.yaml")
    await writeFile(file, document)
    const { code, output } = await finished(["check", "--config", file], { environment: { DEBUG: "true" } })
    expect(code).toBe(2)
    expectNone("check", output, [misplaced])
  })

  test("while the environment and .env are bad", async () => {
    const directory = await aDirectory()
    await writeFile(join(directory, ".env"), `WALDUR_API_URL=nowhere\nWALDUR_API_TOKEN=${misplaced}\n`)
    const { code, output } = await finished(["export"], {
      directory,
      environment: {
        WALDUR_SOCKS_PROXY: `//bob:${misplaced}@proxy`,
        HPC_USER_CLIENT_SECRET: misplaced,
        CSCS_KEYCLOAK_CLIENT_SECRET_FILE: "/nowhere/keycloak",
        WALDUR_VERIFY_SSL: "maybe",
      },
    })
    expect(code).toBe(2)
    expectNone("export", output, [misplaced])
  })
})

test("in debug mode the secret in the legacy place of the HPC User API is masked too", async () => {
  const sandbox = await aSecretiveSandbox()
  const directory = await aDirectory()
  const file = join(directory, "config.yaml")
  const { hpcUserApi, waldur } = sandbox
  const document = {
    waldur_api_url: waldur.url,
    waldur_api_token: waldur.token,
    storage_systems: { capstor: "capstor" },
    auth: { disable_auth: true },
    backend_settings: {
      hpc_user_api_url: hpcUserApi.url,
      hpc_user_client_id: hpcUserApi.clientId,
      hpc_user_client_secret: hpcUserSecret,
      hpc_user_oidc_token_url: hpcUserApi.tokenUrl,
      hpc_user_socks_proxy: `socks5h://provisioner:${proxyPassword}@127.0.0.1:1`,
    },
  }
  await writeFile(file, JSON.stringify(document))
  const { url, stderr } = await serving(["--config", file], { environment: { DEBUG: "true" } })
  const response = await (await fetch(`${url}/api/storage-resources/?debug=true`)).text()
  expect(response).toContain("hpc_user_client_secret")
  expect(response).toContain("socks5h://***@127.0.0.1:1")
  expectNone("debug", response, secretsOf(sandbox))
  expectNone("the log", stderr(), secretsOf(sandbox))
})

test("the logged configuration shows the source of each secret, and masks it", async () => {
  const sandbox = await aSecretiveSandbox()
  const proxy = `socks5h://provisioner:${proxyPassword}@127.0.0.1:1`
  const { stderr } = await serving([], { environment: environmentFor(sandbox, { WALDUR_SOCKS_PROXY: proxy }) })
  const [line = "{}"] = stderr().split("\n")
  const fields = JSON.parse(line) as Record<string, string>
  for (const [path, variable] of [
    ["waldur_api_token", "WALDUR_API_TOKEN"],
    ["hpc_user_api.client_secret", "HPC_USER_CLIENT_SECRET"],
    ["auth.keycloak_client_secret", "CSCS_KEYCLOAK_CLIENT_SECRET"],
  ] as const) {
    expect(fields[path]).toBe(`*** (a secret) (environment variable ${variable})`)
  }
  expect(fields.waldur_socks_proxy).toContain("socks5h://***@127.0.0.1:1")
})

import { afterAll, beforeAll, expect, test } from "vitest"
import { type Sandbox, startSandbox } from "../src/index.ts"
import { type ReadResponse, readResponse } from "./waldur-client.ts"

let sandbox: Sandbox
let time = Date.UTC(2026, 10, 23)
beforeAll(async () => {
  sandbox = await startSandbox({ now: () => time })
})
afterAll(() => sandbox.close())

async function token(): Promise<string> {
  const { clientId, clientSecret, tokenUrl, scope } = sandbox.hpcUserApi
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: clientSecret,
    scope,
  })
  return (await readResponse(await fetch(tokenUrl, { method: "POST", body }))).json.access_token
}

async function projects(names: string[], authorization: string | undefined): Promise<ReadResponse> {
  const url = new URL("api/v1/export/waldur/projects", sandbox.hpcUserApi.url)
  for (const name of names) url.searchParams.append("projects", name)
  return readResponse(
    await fetch(url, { headers: authorization === undefined ? {} : { Authorization: authorization } }),
  )
}

test("the mock HPC User API returns known projects and omits unknown ones", async () => {
  const { json } = await projects(["climphys", "neutrons", "mat-nano"], `Bearer ${await token()}`)
  expect(json).toEqual({
    projects: [
      { posixName: "climphys", unixGid: sandbox.world.gids.get("climphys") },
      { posixName: "mat-nano", unixGid: sandbox.world.gids.get("mat-nano") },
    ],
  })
})

test("the mock HPC User API sends odd entries unchanged", async () => {
  const { json } = await projects(
    ["mesons", "baryons", "bosons", "fermions", "Hybrid-Pixel"],
    `Bearer ${await token()}`,
  )
  expect(json.projects).toEqual([
    { posixName: "mesons", unixGid: -31001 },
    { posixName: "baryons", unixGid: "31001" },
    { posixName: "bosons" },
    { posixName: "fermions", unixGid: 31901 },
    { posixName: "fermions", unixGid: 31902 },
  ])
})

test("the mock HPC User API returns 401 without a token, or for a foreign or revoked one", async () => {
  expect((await projects([], undefined)).status).toBe(401)
  expect((await projects([], "Bearer abc")).status).toBe(401)
  const foreign = await sandbox.issuer.issueToken({}, { key: "unknown" })
  expect((await projects([], `Bearer ${foreign}`)).status).toBe(401)
  const mine = await token()
  expect((await projects([], `Bearer ${mine}`)).status).toBe(200)
  sandbox.hpcUserApi.revokeTokens()
  expect((await projects([], `Bearer ${mine}`)).status).toBe(401)
  expect((await projects([], `Bearer ${await token()}`)).status).toBe(200)
})

test.each(["jwt", "opaque"] as const)("the mock HPC User API refuses an expired %s token", async (format) => {
  sandbox.issuer.settings.tokenFormat = format
  sandbox.issuer.settings.expiresIn = 60
  const mine = await token()
  expect((await projects([], `Bearer ${mine}`)).status).toBe(200)
  time += 61_000
  expect((await projects([], `Bearer ${mine}`)).status).toBe(401)
})

test("the mock HPC User API refuses a request target above 4,096 bytes", async () => {
  const bearer = `Bearer ${await token()}`
  const path = "/api/v1/export/waldur/projects"
  const fit = "p".repeat(4096 - `${path}?projects=`.length)
  expect((await projects([fit], bearer)).status).toBe(200)
  expect((await projects([`${fit}p`], bearer)).status).toBe(414)
  expect((await projects(["q".repeat(60_000)], bearer)).status).toBe(414)
})

import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setImmediate as turn } from "node:timers/promises"
import { realmClient } from "@cscs/harness"
import { describe, expect, onTestFinished, test } from "vitest"
import { parse } from "yaml"
import { aServedApp } from "../test/a-served-app.ts"
import { aGuardedProxy, type ProxyResponse, untilStatus } from "./a-guarded-proxy.ts"
import { aStage } from "./a-stage.ts"
import { clientToken, userTokens } from "./tokens.ts"

const stage = aStage()
const aProxy = (auth?: Readonly<Record<string, unknown>>) => aGuardedProxy(stage.sandbox, stage.keycloak, auth)

const expectRefused = ({ status, headers, json }: ProxyResponse, description: string) => {
  expect([status, json.detail]).toEqual([401, description])
  expect(json.error).toBe("AuthenticationError")
  expect(headers.get("www-authenticate")).toBe(`Bearer error="invalid_token", error_description="${description}"`)
}

describe("the list accepts", () => {
  test("a client's token, obtained with client credentials", async () => {
    const proxy = await aProxy()
    const { status, json } = await proxy.list(await clientToken(stage.keycloak))
    expect([status, json.status]).toEqual([200, "success"])
    expect(json.resources.length).toBeGreaterThan(0)
  })

  test("a user's token, obtained with a password", async () => {
    const proxy = await aProxy()
    expect((await proxy.list((await userTokens(stage.keycloak)).accessToken)).status).toBe(200)
  })

  test("a token issued to our own client", async () => {
    const proxy = await aProxy()
    expect((await proxy.list(await clientToken(stage.keycloak, "storage-proxy"))).status).toBe(200)
  })

  test("a token of a client whose azp is allowed, though its aud is not", async () => {
    const proxy = await aProxy({ audience: ["storage-proxy", "foreign"] })
    expect((await proxy.list(await clientToken(stage.keycloak, "foreign"))).status).toBe(200)
    expect((await proxy.list(await clientToken(stage.keycloak))).status).toBe(200)
  })
})

describe("the list refuses", () => {
  test("a token for another audience; the log names its aud, azp, iss and what is allowed, the response does not", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    const answer = await proxy.list(await clientToken(keycloak, "foreign"))
    expectRefused(answer, "The token is for another audience")
    const output = answer.text + JSON.stringify([...answer.headers])
    for (const secret of ["foreign", "account", "storage-proxy", keycloak.url]) expect(output).not.toContain(secret)
    const lines = proxy.logs.filter((line) => line.includes('"event":"token-refused"')).map((line) => JSON.parse(line))
    expect(lines.map(({ annotations }) => annotations)).toEqual([
      expect.objectContaining({
        aud: '"account"',
        azp: '"foreign"',
        iss: JSON.stringify(keycloak.realmUrl),
        allowed_audience: "storage-proxy",
        allowed_issuer: keycloak.realmUrl,
      }),
    ])
  })

  test("an ID token, even one of our own client", async () => {
    const proxy = await aProxy({ audience: ["storage-proxy", "provisioner"] })
    for (const client of ["storage-proxy", "provisioner"] as const) {
      const { accessToken, idToken } = await userTokens(stage.keycloak, client)
      expectRefused(await proxy.list(idToken), "The token is not a bearer access token")
      expect((await proxy.list(accessToken)).status).toBe(200)
    }
  })

  test("a refresh token", async () => {
    const proxy = await aProxy()
    const { refreshToken } = await userTokens(stage.keycloak, "storage-proxy")
    expectRefused(await proxy.list(refreshToken), "The token's algorithm is not allowed")
  })

  test("a token of another realm, even if it names our audience", async () => {
    const proxy = await aProxy()
    const elsewhere = await clientToken(stage.keycloak, "provisioner", "other")
    expectRefused(await proxy.list(elsewhere), "The token is from another issuer")
    const there = await aProxy({ keycloak_realm: "other" })
    expect((await there.list(elsewhere)).status).toBe(200)
    const misled = await aProxy({ keycloak_realm: "other", issuer: stage.keycloak.realmUrl })
    expectRefused(await misled.list(elsewhere), "The token is from another issuer")
    // The realm that is queried reports another name than the expected one.
    expect((await misled.list(await clientToken(stage.keycloak))).status).toBe(503)
  })

  test("a token with one letter changed", async () => {
    const proxy = await aProxy()
    const [header = "", payload = "", signature = ""] = (await clientToken(stage.keycloak)).split(".")
    const other = signature.startsWith("A") ? "B" : "A"
    const forged = `${header}.${payload}.${other}${signature.slice(1)}`
    expectRefused(await proxy.list(forged), "The token's signature is wrong")
  })

  test("an expired token, once the clock tolerance is over", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    await keycloak.admin.setAccessTokenLifespan(5)
    const token = await clientToken(keycloak).finally(() => keycloak.admin.setAccessTokenLifespan(1800))
    expect((await proxy.list(token)).status).toBe(200)
    proxy.leap("30 seconds")
    expectRefused(await untilStatus(401, () => proxy.list(token)), "The token is expired")
  })
})

describe("required roles", () => {
  test("a token that has them all opens the list", async () => {
    const proxy = await aProxy({ required_roles: ["storage-reader", "storage-proxy:list"] })
    expect((await proxy.list(await clientToken(stage.keycloak))).status).toBe(200)
  })

  test("a token that lacks any of them is 403 insufficient_scope, and the log names the role", async () => {
    const token = await clientToken(stage.keycloak)
    for (const missing of ["storage-writer", "storage-proxy:delete", "account:list", "list", "storage-proxy"]) {
      const proxy = await aProxy({ required_roles: ["storage-reader", missing] })
      const { status, headers, text, json } = await proxy.list(token)
      expect([missing, status, json.error]).toEqual([missing, 403, "AuthorizationError"])
      expect(headers.get("www-authenticate")).toMatch(/^Bearer error="insufficient_scope"/)
      expect(text).not.toContain(missing)
      expect(proxy.logs.some((line) => line.includes(`"missing_roles":"${missing}"`))).toBe(true)
    }
  })

  test("the user's roles count, not the client's", async () => {
    const proxy = await aProxy({ required_roles: ["storage-reader"] })
    expect((await proxy.list((await userTokens(stage.keycloak)).accessToken)).status).toBe(403)
  })
})

describe("when the realm's keys are rotated", () => {
  test("the first token of a new key is accepted within 30 seconds, and from then on the withdrawn key is refused", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    const old = await clientToken(keycloak)
    expect((await proxy.list(old)).status).toBe(200)
    const keysKnown = performance.now()
    await keycloak.admin.rotateKeys()
    const fresh = await clientToken(keycloak)
    await untilStatus(200, () => proxy.list(fresh))
    // The rest above thirty seconds allows for a busy machine.
    expect(performance.now() - keysKnown).toBeLessThan(90_000)
    expectRefused(await proxy.list(old), "The token's key is unknown")
  })

  test("a new key causes no wait if the known keys are half a minute old", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    expect((await proxy.list(await clientToken(keycloak))).status).toBe(200)
    await keycloak.admin.rotateKeys()
    proxy.leap("30 seconds")
    expect((await proxy.list(await clientToken(keycloak))).status).toBe(200)
  })

  test("the withdrawn key opens nothing from the moment that a new one is accepted, while callers poll without a pause", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    const old = [await clientToken(keycloak), await clientToken(keycloak)]
    for (const token of old) expect((await proxy.list(token)).status).toBe(200)
    proxy.leap("30 seconds")
    await keycloak.admin.rotateKeys()
    let isPolling = true
    let isWithdrawn = false
    const late: Array<number> = []
    const poll = async (token: string) => {
      while (isPolling) {
        const isLate = isWithdrawn
        const { status } = await proxy.list(token)
        if (isLate) late.push(status)
        // A request that waits for nothing would leave no turn to the others.
        await turn()
      }
    }
    const polling = Promise.all(old.map(poll))
    try {
      expect((await proxy.list(await clientToken(keycloak))).status).toBe(200)
      isWithdrawn = true
      while (late.length < 20) await turn()
    } finally {
      isPolling = false
      await polling
    }
    expect(new Set(late)).toEqual(new Set([401]))
  })

  test("a withdrawn key is refused after ten minutes, even if no token of a new key arrives", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    const old = await clientToken(keycloak)
    expect((await proxy.list(old)).status).toBe(200)
    await keycloak.admin.rotateKeys()
    proxy.leap("9 minutes")
    expect((await proxy.list(old)).status).toBe(200)
    proxy.leap("2 minutes")
    expectRefused(await untilStatus(401, () => proxy.list(old)), "The token's key is unknown")
  })
})

test("the commands of docs/prerequisites.md make a client that reads the list; one without the audience mapper is refused", async () => {
  const { keycloak, sandbox } = stage
  const realm = "documented"
  await keycloak.admin.addRealm({ realm, enabled: true, clients: [realmClient("foreign")] })
  const page = await readFile(new URL("../../../docs/prerequisites.md", import.meta.url), "utf8")
  const [, section = ""] = /\n## Keycloak\n([\s\S]*?)\n## /.exec(page) ?? []
  const blocksOf = (language: string) =>
    [...section.matchAll(/```(\w+)\n([\s\S]*?)```/g)].flatMap(([, of, block = ""]) => (of === language ? [block] : []))
  const [making = "", reading = ""] = blocksOf("bash")
  const [configuration = ""] = blocksOf("yaml")
  const here = (text: string, values: Readonly<Record<string, string>>) =>
    Object.entries(values).reduce((shown, [documented, actual]) => {
      expect(shown).toContain(documented)
      return shown.replace(documented, actual)
    }, text)
  const { auth } = parse(
    here(configuration, {
      "https://auth.example.org": keycloak.url,
      "keycloak_realm: cscs": `keycloak_realm: ${realm}`,
    }),
  )
  const proxy = await aGuardedProxy(sandbox, keycloak, auth)
  const { url } = await aServedApp(proxy.app)

  const directory = await mkdtemp(join(tmpdir(), "kcadm-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  const at = { "https://auth.example.org": keycloak.url, "REALM=cscs": `REALM=${realm}` }
  await keycloak.runScript(here(making, at), directory)
  const list = await keycloak.runScript(here(reading, { ...at, "http://127.0.0.1:8080": url }), directory)
  expect(JSON.parse(list).status).toBe("success")

  const foreign = await clientToken(keycloak, "foreign", realm)
  expectRefused(await proxy.list(foreign), "The token is for another audience")
})

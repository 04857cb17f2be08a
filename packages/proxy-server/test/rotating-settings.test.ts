import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import { RotatingSecret, secretNow } from "@cscs/http-transport"
import { Effect, Redacted } from "effect"
import fc from "fast-check"
import { describe, expect, onTestFinished, test } from "vitest"
import { rotatingSettings } from "../src/config/rotating-settings.ts"
import { loadSettings, masker, secretsIn } from "../src/index.ts"
import { redisConnection } from "../src/replication/redis-connection.ts"
import { aDirectory } from "./a-proxy.ts"

const token = "0123456789abcdef0123456789abcdef01234567"
const environment = {
  WALDUR_API_URL: "https://waldur.example.org",
  WALDUR_API_TOKEN: token,
  STORAGE_SYSTEMS: '{"capstor":"capstor"}',
  HPC_USER_API_URL: "https://hpc.example.org",
  HPC_USER_CLIENT_ID: "storage-proxy",
  HPC_USER_CLIENT_SECRET: "an-hpc-user-secret",
  HPC_USER_OIDC_TOKEN_URL: "https://auth.example.org/token",
  AUTH_MODE: "introspection",
  CSCS_KEYCLOAK_CLIENT_ID: "storage-proxy",
  CSCS_KEYCLOAK_CLIENT_SECRET: "a-keycloak-secret",
  CACHE_URL: "redis://proxy:a-valkey-password@valkey:6379/0",
}
const load = (more: Readonly<Record<string, string>> = {}, workingDirectory = "/nowhere") =>
  Effect.runPromise(loadSettings({ environment: { ...environment, ...more }, workingDirectory }))

describe("settings that are read again", () => {
  test("use every secret of a later read in place of the first, and mask both", async () => {
    const { settings, adopt } = rotatingSettings(await load())
    const mask = masker(secretsIn(settings))
    const before = ["an-hpc-user-secret", "a-keycloak-secret", "a-valkey-password", token]
    for (const secret of before) expect(mask(`It is ${secret}!`)).not.toContain(secret)
    const adopted = adopt(
      await load({
        WALDUR_API_TOKEN: "f".repeat(40),
        HPC_USER_CLIENT_SECRET: "new-hpc-user-secret",
        CSCS_KEYCLOAK_CLIENT_SECRET: "new-keycloak-secret",
        CACHE_URL: "redis://proxy:new-valkey-password@valkey:6379/0",
      }),
    )
    expect(adopted).toEqual({
      secrets: ["waldur_api_token", "hpc_user_api.client_secret", "auth.keycloak_client_secret", "cache.url"],
      needRestart: [],
    })
    expect(secretNow(settings.waldur.token)).toBe("f".repeat(40))
    expect(settings.hpcUserApi && secretNow(settings.hpcUserApi.clientSecret)).toBe("new-hpc-user-secret")
    expect(settings.auth.introspection && secretNow(settings.auth.introspection.clientSecret)).toBe(
      "new-keycloak-secret",
    )
    const after = ["f".repeat(40), "new-hpc-user-secret", "new-keycloak-secret", "new-valkey-password"]
    for (const secret of [...before, ...after]) expect(mask(`It is ${secret}!`)).not.toContain(secret)
    expect(JSON.stringify(settings)).not.toMatch(/f{40}|new-/)
  })

  test("are unchanged by a later read without change", async () => {
    const { adopt } = rotatingSettings(await load())
    expect(adopt(await load())).toEqual({ secrets: [], needRestart: [] })
  })

  test("that are not secret take effect at the next start, and are named", async () => {
    const { settings, adopt } = rotatingSettings(await load())
    const later = await load({
      CACHE_FRESH_FOR: "7s",
      WALDUR_API_URL: "https://other.example.org",
      CACHE_URL: "redis://proxy:a-valkey-password@other:6379/0",
      SENTRY_DSN: "https://key@sentry.example.org/1",
      LOG_LEVEL: "debug",
    })
    expect(adopt(later).needRestart.toSorted()).toEqual([
      "cache.fresh_for",
      "cache.url",
      "sentry.dsn",
      "waldur_api_url",
    ])
    expect(settings.waldur.apiUrl).toBe("https://waldur.example.org")
    expect(settings.cache.url && secretNow(settings.cache.url)).toContain("valkey:6379")
  })

  test.each([
    [
      "the fifth storage system is beyond what is shown",
      "storage_systems",
      (fifth: string) => {
        const four = ["capstor", "iopsstor", "vast", "ritom"].map((name) => [name, name.padEnd(60, "-")])
        return { STORAGE_SYSTEMS: JSON.stringify(Object.fromEntries([...four, ["fifth", fifth]])) }
      },
    ],
    ["a mail address follows", "agent_header", (name: string) => ({ AGENT_HEADER: `${name} (ops@cscs.ch)` })],
    [
      "the password of a proxy is masked",
      "waldur_socks_proxy",
      (password: string) => ({ WALDUR_SOCKS_PROXY: `socks5h://user:${password}@proxy.example.org:1080` }),
    ],
  ])("are named if they change, even if %s", async (_, key, given) => {
    const { adopt } = rotatingSettings(await load(given("one")))
    expect(adopt(await load(given("one"))).needRestart).toEqual([])
    expect(adopt(await load(given("another"))).needRestart).toEqual([key])
  })

  test("that are refused in a later read cause a warning until one is adopted", async () => {
    const { settings, adopt, refuse } = rotatingSettings(await load())
    const { warnings } = settings
    refuse(["waldur_api_token"])
    expect(settings.warnings.at(-1)).toContain("refused (waldur_api_token)")
    adopt(await load())
    expect(settings.warnings).toEqual(warnings)
  })

  test("know the files of secrets, whether a variable names the file or the secret is in it", async () => {
    const directory = await aDirectory()
    const file = join(directory, "hpc")
    await writeFile(file, "from-a-file")
    await writeFile(join(directory, ".env"), "CSCS_KEYCLOAK_CLIENT_SECRET=from-dotenv\n")
    const more = { HPC_USER_CLIENT_SECRET: "", HPC_USER_CLIENT_SECRET_FILE: file, CSCS_KEYCLOAK_CLIENT_SECRET: "" }
    const { secretFiles } = await load(more, directory)
    expect(secretFiles).toEqual([file, join(directory, ".env")])
  })

  test("show none of the last eight secrets in any text, whatever the values", () => {
    const secret = fc
      .string({ minLength: 8, maxLength: 40 })
      .filter((text) => text.trim() === text && !/\*{3}/.test(text))
    fc.assert(
      fc.property(fc.array(secret, { minLength: 2, maxLength: 8 }), ([first = "", ...later]) => {
        const rotating = new RotatingSecret(Redacted.make(first))
        const mask = masker([rotating])
        mask("before")
        for (const next of later) rotating.replace(Redacted.make(next))
        for (const one of [first, ...later]) expect(mask(`x ${one} y`)).not.toContain(` ${one} `)
      }),
      { numRuns: 50 },
    )
  })
})

describe("a Valkey with a rotating password", () => {
  test("gets the new one with the next connection", async () => {
    const logins: Array<ReadonlyArray<string>> = []
    const server = createServer((socket) => {
      socket.on("error", () => undefined)
      socket.on("data", (data) => {
        for (const [, login = ""] of data.toString().matchAll(/AUTH\r\n((?:\$\d+\r\n[^\r]*\r\n){1,2})/g)) {
          const words = login.split("\r\n").filter((_, index) => index % 2 === 1)
          logins.push(words)
          if (words.at(-1) === "first") {
            // It closes, as when it is restarted with another password.
            rotating.replace(Redacted.make(`redis://proxy:second%21@127.0.0.1:${port}`))
            return void socket.destroy()
          }
        }
        for (const _ of data.toString().matchAll(/\*\d+\r\n/g)) socket.write("+OK\r\n")
      })
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const rotating = new RotatingSecret(Redacted.make(`redis://proxy:first@127.0.0.1:${port}`))
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          yield* redisConnection(rotating)
          while (logins.length < 2) yield* Effect.sleep("5 millis")
        }),
      ),
    )
    expect(logins.slice(0, 2)).toEqual([
      ["proxy", "first"],
      ["proxy", "second!"],
    ])
  })
})

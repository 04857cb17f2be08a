import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { RotatingSecret, secretNow } from "@cscs/http-transport"
import { Effect, Redacted } from "effect"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { SettingKey } from "../src/config/setting-key.ts"
import { settingKeys } from "../src/config/setting-keys.ts"
import { loadSettings, type ProxySettings } from "../src/index.ts"
import { aDirectory } from "./a-proxy.ts"

/** Texts for settings of all types that take one, in the form that the type requires. */
const texts: Readonly<Record<string, string>> = {
  agent_header: "an-agent",
  waldur_api_url: "https://waldur.example.org/api",
  waldur_api_token: "0123456789abcdef0123456789abcdef01234567",
  waldur_socks_proxy: "socks5h://proxy.example.org:1080",
  "backend_settings.storage_file_system": "gpfs",
  "hpc_user_api.api_url": "https://hpc.example.org",
  "hpc_user_api.client_id": "an-hpc-client",
  "hpc_user_api.client_secret": "an-hpc-user-secret",
  "hpc_user_api.oidc_token_url": "https://auth.example.org/token",
  "hpc_user_api.oidc_scope": "openid profile",
  "hpc_user_api.socks_proxy": "http://proxy.example.org:3128",
  "hpc_user_api.fallback": "mock",
  "auth.mode": "introspection",
  "auth.keycloak_url": "https://keycloak.example.org/auth",
  "auth.keycloak_realm": "a-realm",
  "auth.keycloak_client_id": "a-keycloak-client",
  "auth.keycloak_client_secret": "a-keycloak-secret",
  "auth.issuer": "https://issuer.example.org/realms/a-realm",
  "auth.audience": "one,two",
  "auth.socks_proxy": "socks5://proxy.example.org:1080",
  "cache.fresh_for": "11s",
  "cache.path": "/var/lib/storage-proxy/snapshot",
  "cache.url": "redis://:a-valkey-password@valkey.example.org:6379",
  "sentry.dsn": "https://key@sentry.example.org/1",
  "sentry.environment": "an-environment",
  log_level: "warning",
}
const keys: ReadonlyArray<SettingKey<unknown>> = Object.values(settingKeys).filter(({ path }) => path in texts)
if (keys.length !== Object.keys(texts).length) throw new Error("A text is for no setting")

/** Omits what differs between sources by nature: where a value came from, and what was stripped from it. */
const comparable = ({ effective, warnings, secretFiles, ...settings }: ProxySettings) =>
  JSON.stringify(settings, function (this: Readonly<Record<string, unknown>>, key, value: unknown) {
    // `value` is what `toJSON` has made of a secret.
    const held = this[key]
    return Redacted.isRedacted(held) || held instanceof RotatingSecret ? `secret ${secretNow(held as never)}` : value
  })

const load = (environment: Readonly<Record<string, string>>, workingDirectory: string, configPath?: string) =>
  Effect.runPromise(
    loadSettings({ environment, workingDirectory, ...(configPath === undefined ? {} : { configPath }) }),
  )

const systems = { STORAGE_SYSTEMS: '{"capstor":"capstor"}' }
const given = (wrapped: (text: string) => string) =>
  Object.fromEntries(keys.map(({ path, variable }) => [variable, wrapped(texts[path] ?? "")]))
const yamlOf = (wrapped: (text: string) => string, systemsOf = { capstor: wrapped("capstor") } as object) => {
  const document: Record<string, unknown> = { storage_systems: systemsOf }
  for (const { path } of keys) {
    const [section = path, name] = path.split(".")
    const value = wrapped(texts[path] ?? "")
    document[section] = name === undefined ? value : { ...(document[section] as object | undefined), [name]: value }
  }
  return JSON.stringify(document)
}

/** What editors, shells, `docker --env-file`, templates and `echo` leave around a value. */
const wrappings = fc
  .tuple(
    fc.constantFrom("", " ", "\t", "\uFEFF", "  "),
    fc.constantFrom("", '"', "'"),
    fc.constantFrom("", " "),
    fc.constantFrom("", "\n", "\r\n", " \n", "\t", " "),
  )
  .map(
    ([before, quote, inside, after]) =>
      (text: string) =>
        `${before}${quote}${inside}${text}${inside}${quote}${after}`,
  )

describe("a text setting, whatever is around it", () => {
  test("is the same from the environment, from the file and from the file of a secret", async () => {
    const directory = await aDirectory()
    const plain = comparable(await load({ ...systems, ...given((text) => text) }, directory))
    for (const { path, isSecret } of keys) if (isSecret) expect(plain).toContain(texts[path])
    await fc.assert(
      fc.asyncProperty(wrappings, async (wrapped) => {
        expect(comparable(await load({ ...systems, ...given(wrapped) }, directory))).toBe(plain)

        const file = join(directory, "config.yaml")
        await writeFile(file, yamlOf(wrapped))
        expect(comparable(await load({}, directory, file))).toBe(plain)

        const fromFiles: Record<string, string> = { ...systems, ...given((text) => text) }
        for (const { path, variable, isSecret } of keys) {
          if (!isSecret) continue
          delete fromFiles[variable]
          fromFiles[`${variable}_FILE`] = wrapped(join(directory, variable))
          await writeFile(join(directory, variable), wrapped(texts[path] ?? ""))
        }
        expect(comparable(await load(fromFiles, directory))).toBe(plain)
      }),
      { numRuns: 40 },
    )
  })

  test("is read without a byte order mark and with Windows line endings, in config.yaml and .env", async () => {
    const directory = await aDirectory()
    const plain = comparable(await load({ ...systems, ...given((text) => text) }, directory))
    const asWindows = (text: string) => `\uFEFF${text.replaceAll("\n", "\r\n")}`

    const file = join(directory, "config.yaml")
    const block = yamlOf((text) => text, { capstor: { slug: "capstor" } })
    await writeFile(file, asWindows(`# A comment\n${block}\n`))
    expect(comparable(await load({}, directory, file))).toBe(plain)

    await writeFile(
      join(directory, ".env"),
      asWindows(
        `# A comment\n${Object.entries({ ...systems, ...given((text) => text) })
          .map(([name, value]) => `${name}=${value}\n`)
          .join("")}`,
      ),
      { mode: 0o600 },
    )
    expect(comparable(await load({}, directory))).toBe(plain)
  })

  test("is the same from a YAML block, which ends in a line break", async () => {
    const directory = await aDirectory()
    const file = join(directory, "config.yaml")
    await writeFile(
      file,
      "waldur_api_url: |\n  https://waldur.example.org\nwaldur_api_token: >\n  0123456789abcdef0123456789abcdef01234567\nstorage_systems:\n  capstor:\n    slug: |\n      capstor\nauth: { disable_auth: true }\n",
    )
    const { waldur, model } = await load({}, directory, file)
    expect([waldur.apiUrl, secretNow(waldur.token)]).toEqual(["https://waldur.example.org", texts.waldur_api_token])
    expect(model.storageSystems).toEqual([{ name: "capstor", offeringSlug: "capstor" }])
  })
})

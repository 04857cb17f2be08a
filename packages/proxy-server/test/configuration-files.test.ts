import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { secretNow } from "@cscs/http-transport"
import { Effect, Exit } from "effect"
import { describe, expect, test } from "vitest"
import { type ConfigurationProblem, configurationReference, configurationSchema, loadSettings } from "../src/index.ts"
import { aDirectory } from "./a-proxy.ts"

const least = {
  WALDUR_API_URL: "https://waldur.example.org",
  WALDUR_API_TOKEN: "c".repeat(40),
  STORAGE_SYSTEMS: '{"capstor":"capstor"}',
  DISABLE_AUTH: "true",
}

const load = async (environment: Readonly<Record<string, string | undefined>>) =>
  Effect.runPromiseExit(loadSettings({ environment, workingDirectory: await aDirectory() }))

const settingsOf = async (environment: Readonly<Record<string, string | undefined>>) => {
  const exit = await load(environment)
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return exit.value
}

const problemsOf = async (
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ReadonlyArray<ConfigurationProblem>> => {
  const error = Exit.findErrorOption(await load(environment))
  if (error._tag === "None") throw new Error("it was accepted")
  return error.value.problems
}

// Made for these tests only.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBXzCCAQWgAwIBAgIUB7f7rAVKkn6wTgzdbE0cKDgtXmQwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjMwMDAwMDBaGA8yMTI2MTAzMDAwMDAw
-----END CERTIFICATE-----
`

describe("a secret in a file", () => {
  test("is read without the trailing newline that editors leave", async () => {
    const file = join(await aDirectory(), "token")
    await writeFile(file, `${"f".repeat(40)}\n`)
    const { waldur, effective, warnings } = await settingsOf({
      ...least,
      WALDUR_API_TOKEN: undefined,
      WALDUR_API_TOKEN_FILE: file,
    })
    expect(secretNow(waldur.token)).toBe("f".repeat(40))
    expect(effective.find(({ path }) => path === "waldur_api_token")).toEqual({
      path: "waldur_api_token",
      value: "*** (a secret)",
      source: `environment variable WALDUR_API_TOKEN_FILE, ${file}, without the white space or quotes around it`,
      isDefault: false,
    })
    expect(warnings.join()).not.toContain("WALDUR_API_TOKEN")
  })

  test("is one problem, which names the file, if the file is missing", async () => {
    const problems = await problemsOf({ ...least, WALDUR_API_TOKEN: "", WALDUR_API_TOKEN_FILE: "/nowhere/token" })
    expect(problems).toMatchObject([
      { path: "waldur_api_token", found: expect.stringContaining("/nowhere/token"), allowed: expect.any(String) },
    ])
  })

  test("is a problem if a variable holds the same secret too, since precedence would be a guess", async () => {
    const file = join(await aDirectory(), "token")
    await writeFile(file, "other")
    const [problem] = await problemsOf({ ...least, WALDUR_API_TOKEN_FILE: file })
    expect(problem).toMatchObject({ path: "waldur_api_token", found: "two values" })
    expect(JSON.stringify(problem)).not.toMatch(/cccc|other/)
  })
})

describe("a file of certificates", () => {
  test.each(["WALDUR_CA_FILE", "HPC_USER_API_CA_FILE", "AUTH_CA_FILE"])(
    "is refused if it is not one: %s",
    async (name) => {
      const file = join(await aDirectory(), "ca.pem")
      await writeFile(file, certificate.replace("MIIB", "????"))
      const problems = await problemsOf({ ...least, [name]: file })
      expect(problems).toMatchObject([{ found: expect.stringContaining(file), source: `environment variable ${name}` }])
      expect(await problemsOf({ ...least, [name]: "/nowhere/ca.pem" })).toMatchObject([
        { found: expect.stringContaining("/nowhere/ca.pem") },
      ])
    },
  )
})

describe("proxy variables of the environment", () => {
  test("apply if no setting names a proxy", async () => {
    const { waldur, auth } = await settingsOf({
      ...least,
      https_proxy: "http://lower:1",
      HTTPS_PROXY: "http://upper:2",
      NO_PROXY: "auth.example.org",
      AUTH_SOCKS_PROXY: "socks5h://own:3",
    })
    expect(waldur.proxy).toEqual({ https: "http://lower:1", no: "auth.example.org" })
    expect(auth.proxy).toBe("socks5h://own:3")
  })
})

describe("introspection", () => {
  const introspecting = {
    ...least,
    DISABLE_AUTH: "",
    AUTH_MODE: "introspection",
    CSCS_KEYCLOAK_CLIENT_ID: "storage-proxy",
    CSCS_KEYCLOAK_CLIENT_SECRET: "hush",
  }

  test("authenticates as our client", async () => {
    expect((await settingsOf(introspecting)).auth.introspection?.clientId).toBe("storage-proxy")
  })

  test("requires the client and its secret", async () => {
    const without = {
      ...introspecting,
      CSCS_KEYCLOAK_CLIENT_ID: "",
      CSCS_KEYCLOAK_CLIENT_SECRET: "",
      AUTH_AUDIENCE: "a",
    }
    expect((await problemsOf(without)).map(({ path }) => path)).toEqual([
      "auth.keycloak_client_id",
      "auth.keycloak_client_secret",
    ])
  })
})

describe("the configuration reference", () => {
  test("has a row for each setting, and every setting has a place in the schema", async () => {
    const { effective } = await settingsOf(least)
    const page = configurationReference()
    const { properties } = configurationSchema() as { properties: Record<string, { properties?: object }> }
    for (const { path } of effective) {
      expect(page).toContain(`| \`${path}\` |`)
      const [section = "", name] = path.split(".")
      expect(Object.keys(name === undefined ? properties : (properties[section]?.properties ?? {}))).toContain(
        name ?? section,
      )
    }
  })
})

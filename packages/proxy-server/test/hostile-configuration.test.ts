import { execFileSync } from "node:child_process"
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { secretNow } from "@cscs/http-transport"
import { Effect, Exit } from "effect"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { parseDotenv } from "../src/config-sources/dotenv.ts"
import { dotenvFault } from "../src/config-sources/sources.ts"
import { unwrapped } from "../src/config-sources/unwrapped.ts"
import { type ConfigurationProblem, loadSettings, type ProxySettings } from "../src/index.ts"
import { aDirectory } from "./a-proxy.ts"

const token = "0123456789abcdef0123456789abcdef01234567"
const least = {
  waldur_api_url: "https://waldur.example.org/api/",
  waldur_api_token: token,
  storage_systems: { capstor: "capstor" },
  auth: { keycloak_client_id: "storage-proxy" },
}
const hpcUser = {
  api_url: "https://hpc.example.org",
  client_id: "hpc-client",
  client_secret: "hunter2-hunter2",
  oidc_token_url: "https://auth.example.org/token",
}

interface Given {
  /** YAML text, or a value that is written as JSON. */
  readonly yaml?: string | object
  readonly environment?: Readonly<Record<string, string>>
  readonly directory?: string
}

const load = async ({ yaml = least, environment = {}, directory }: Given) => {
  const workingDirectory = directory ?? (await aDirectory())
  const configPath = join(workingDirectory, "config.yaml")
  await writeFile(configPath, typeof yaml === "string" ? yaml : JSON.stringify(yaml))
  return Effect.runPromiseExit(loadSettings({ configPath, environment, workingDirectory }))
}
const settingsOf = async (given: Given): Promise<ProxySettings> => {
  const exit = await load(given)
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return exit.value
}
const problemsOf = async (given: Given): Promise<ReadonlyArray<ConfigurationProblem>> => {
  const error = Exit.findErrorOption(await load(given))
  if (error._tag === "None") throw new Error("it was accepted, or a defect")
  return error.value.problems
}
const pathsOf = async (given: Given) => (await problemsOf(given)).map(({ path }) => path)
const placed = (path: string, value: unknown): Given => {
  const document: Record<string, object | string> = { ...least, hpc_user_api: hpcUser }
  const [section = "", key] = path.split(".")
  if (key === undefined) return { yaml: { ...document, [section]: value } }
  return { yaml: { ...document, [section]: { ...(document[section] as object), [key]: value } } }
}

/** A FIFO without a writer: opening it as a file blocks forever. */
const aFifo = async (directory: string, name: string) => {
  const path = join(directory, name)
  execFileSync("mkfifo", [path])
  return path
}

describe("a storage system", () => {
  const uuid = "ed0ce88e-d40a-578b-813a-498dbb5a3d72"

  test("may name its offering by slug and UUID, in the file and in STORAGE_SYSTEMS", async () => {
    const wanted = [{ name: "capstor", offeringSlug: "capstor-prod", offeringUuid: uuid }]
    for (const written of [uuid, uuid.replaceAll("-", ""), uuid.toUpperCase(), ` "${uuid}" `]) {
      const storage_systems = { capstor: { slug: " capstor-prod ", uuid: written } }
      expect((await settingsOf({ yaml: { ...least, storage_systems } })).model.storageSystems).toEqual(wanted)
      const environment = { STORAGE_SYSTEMS: JSON.stringify(storage_systems) }
      expect((await settingsOf({ environment })).model.storageSystems).toEqual(wanted)
    }
    const without = await settingsOf({ yaml: { ...least, storage_systems: { capstor: { slug: "c" } } } })
    expect(without.model.storageSystems).toEqual([{ name: "capstor", offeringSlug: "c" }])
  })

  test("whose UUID is invalid, or that of another system, is an error, and so is an unknown key in it", async () => {
    const wrong: ReadonlyArray<readonly [object, string]> = [
      [{ a: { slug: "a", uuid: "ed0ce88e" } }, "storage_systems.a.uuid"],
      [{ a: { slug: "a", uuid: 5 } }, "storage_systems.a.uuid"],
      [{ a: { slug: "a", uuid }, b: { slug: "b", uuid: uuid.replaceAll("-", "") } }, "storage_systems.b.uuid"],
      [{ a: { uuid } }, "storage_systems.a"],
      [{ a: { slug: "a", uiud: uuid } }, "storage_systems.a.uiud"],
    ]
    for (const [storage_systems, path] of wrong) {
      expect([storage_systems, await pathsOf({ yaml: { ...least, storage_systems } })]).toEqual([
        storage_systems,
        [path],
      ])
    }
  })

  test("has a unique name and slug, compared without surrounding white space, the slug in any case", async () => {
    for (const storage_systems of [
      { a: "x", b: " x" },
      { a: "x", " a": "y" },
      { a: "x", b: "X" },
    ]) {
      expect((await pathsOf({ yaml: { ...least, storage_systems } })).length).toBe(1)
    }
    const { model } = await settingsOf({ yaml: { ...least, storage_systems: { " a ": " x\n" } } })
    expect(model.storageSystems).toEqual([{ name: "a", offeringSlug: "x" }])
  })

  test("is an error if there are more than a hundred", async () => {
    const storage_systems = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`s${i}`, `s${i}`]))
    expect(await pathsOf({ yaml: { ...least, storage_systems } })).toEqual(["storage_systems"])
  })
})

describe("the URL of an upstream", () => {
  const paths = [
    "waldur_api_url",
    "hpc_user_api.api_url",
    "hpc_user_api.oidc_token_url",
    "auth.keycloak_url",
    "auth.issuer",
  ]

  test("with a user, a password, a query or a fragment is an error that does not repeat them", async () => {
    const secret = "swordfish"
    for (const path of paths) {
      for (const url of [
        `https://user:${secret}@host.example.org/`,
        `https://${secret}@host.example.org/`,
        `https://user:1/${secret}@host.example.org/`,
        `https://host.example.org/?token=${secret}`,
        `https://host.example.org/#${secret}`,
        `HTTPS://host.example.org?${secret}`,
        `user:${secret}@host.example.org`,
      ]) {
        const problems = await problemsOf(placed(path, url))
        expect([url, problems.map((one) => one.path)]).toEqual([url, [path]])
        expect(JSON.stringify(problems)).not.toContain(secret)
      }
    }
  })

  test("has a scheme, two slashes and a host, and nothing that a parser ignores", async () => {
    for (const url of [
      "https:host",
      "https:///host",
      "https://",
      "https://ho st/",
      "https://host/\ta",
      "https://host/a\nb",
    ]) {
      expect([url, await pathsOf(placed("waldur_api_url", url))]).toEqual([url, ["waldur_api_url"]])
    }
    expect(await pathsOf(placed("waldur_api_url", `https://${"a".repeat(100_000)}/`))).toEqual(["waldur_api_url"])
  })

  test("of a proxy may have a login, which neither the effective settings nor a warning shows", async () => {
    const { waldur, effective, warnings } = await settingsOf(
      placed("waldur_socks_proxy", "socks5h://user:swordfish@proxy.example.org:1080"),
    )
    expect(waldur.proxy).toContain("swordfish")
    expect(JSON.stringify([effective, warnings])).not.toContain("swordfish")
  })

  test("is no part of an agent's name: the mail address in one is shown", async () => {
    const { effective } = await settingsOf(placed("agent_header", "storage-proxy (ops@cscs.ch)"))
    expect(effective.find(({ path }) => path === "agent_header")?.value).toBe('"storage-proxy (ops@cscs.ch)"')
  })

  test("of a proxy with a path, a query or a fragment is an error: that is a part of a password", async () => {
    for (const url of ["http://user:1/swordfish@proxy:1", "http://proxy:1/?swordfish", "http://proxy:1/#swordfish"]) {
      const problems = await problemsOf(placed("waldur_socks_proxy", url))
      expect(JSON.stringify(problems)).not.toContain("swordfish")
    }
  })
})

describe("callback_origins", () => {
  test("are origins: no path, no user, no other scheme", async () => {
    const good = ["https://waldur.example.org", "http://waldur:8000"]
    expect((await settingsOf(placed("callback_origins", good))).model.callbackOrigins).toEqual(good)
    const commas = { CALLBACK_ORIGINS: " https://a.example.org , 'https://b.example.org'" }
    expect((await settingsOf({ environment: commas })).model.callbackOrigins).toEqual([
      "https://a.example.org",
      "https://b.example.org",
    ])
    for (const bad of [
      "https://a/",
      "https://a/api",
      "https://u@a",
      "ftp://a",
      "a",
      "*",
      "https://a:443",
      "https://A",
    ]) {
      expect([bad, await pathsOf(placed("callback_origins", [bad]))]).toEqual([bad, ["callback_origins"]])
      expect([bad, await pathsOf(placed("cors.allowed_origins", [bad]))]).toEqual([bad, ["cors.allowed_origins"]])
    }
  })
})

describe("a GID's bounds", () => {
  test("are in order, and fit in 32 bits", async () => {
    expect((await settingsOf(placed("hpc_user_api.max_gid", 60_000))).model.maxGid).toBe(60_000)
    expect((await settingsOf({})).model.maxGid).toBe(2_147_483_647)
    const both = { ...hpcUser, min_gid: 5000, max_gid: 4999 }
    expect(await pathsOf({ yaml: { ...least, hpc_user_api: both } })).toEqual(["hpc_user_api.max_gid"])
    expect(await pathsOf(placed("hpc_user_api.min_gid", 3_000_000_000))).toEqual(["hpc_user_api.max_gid"])
    for (const value of [4_294_967_295, 2 ** 53, 0, -1, 1.5, "0x10", "1e999"]) {
      expect(await pathsOf(placed("hpc_user_api.max_gid", value))).toEqual(["hpc_user_api.max_gid"])
    }
  })
})

describe("numbers and time spans", () => {
  test("are bounded: no coefficient yields infinity, and no span exceeds what a timer takes", async () => {
    const wrong: ReadonlyArray<readonly [string, unknown]> = [
      ["backend_settings.inode_soft_coefficient", 1e308],
      ["backend_settings.inode_hard_coefficient", "1e300"],
      ["backend_settings.inode_base_multiplier", 1e13],
      ["backend_settings.inode_base_multiplier", "0x10"],
      ["backend_settings.inode_base_multiplier", `${"1".repeat(90_000)}x`],
      ["waldur_timeout", "2h"],
      ["waldur_timeout", 0],
      ["hpc_user_api.timeout", "1ms"],
      ["cache.fresh_for", "8761h"],
      ["cache.keep_warm_for", 1e15],
      ["cache.full_refresh_every", "99999999999999999999h"],
      ["cache.empty_guard", `${"9".repeat(400)}s`],
      ["cache.stale_if_error", `1${" ".repeat(100_000)}x`],
      ["sentry.traces_sample_rate", 1.1],
    ]
    for (const [path, value] of wrong) expect([path, await pathsOf(placed(path, value))]).toEqual([path, [path]])
  })
})

describe("mount roots", () => {
  test("are absolute, normalised and narrower than /, and not a system directory", async () => {
    const path = "backend_settings.mount_roots"
    expect((await settingsOf(placed(path, ["/capstor", "/mnt/fs1/data/"]))).model.mountRoots).toEqual([
      "/capstor",
      "/mnt/fs1/data",
    ])
    const bad = [
      "/",
      "//",
      "/.",
      "/..",
      "/./",
      "/mnt/../etc",
      "/mnt//a",
      "//mnt",
      "/mnt/.",
      "mnt",
      "/mnt/a b",
      "/mnt/-a",
    ]
    for (const root of [
      ...bad,
      "/etc",
      "/etc/",
      "/lib64",
      "/root",
      "/usr",
      "/var",
      "/proc",
      `/${"a/".repeat(3000)}a`,
    ]) {
      expect([root, await pathsOf(placed(path, [root]))]).toEqual([root, [path]])
    }
    for (const none of [[], [""], 5]) expect(await pathsOf(placed(path, none))).toEqual([path])
  })

  test("inside a system directory cause a warning", async () => {
    const { warnings } = await settingsOf(placed("backend_settings.mount_roots", ["/var/storage"]))
    expect(warnings.join()).toMatch(/mount_roots: \/var\/storage is inside a system directory/)
  })
})

describe("a text setting", () => {
  test("is stripped of white space, a newline and a pair of quotes around it, from every source", async () => {
    const directory = await aDirectory()
    const file = join(directory, "secret")
    for (const [left, right] of [
      [" ", "\n"],
      ['"', '"'],
      ["'", "'\r\n"],
      ["\t ' ", " ' "],
    ]) {
      const wrapped = (value: string) => `${left}${value}${right}`
      await writeFile(file, wrapped("hunter2-hunter2"))
      const { waldur, auth, hpcUserApi, model } = await settingsOf({
        yaml: {
          waldur_api_url: wrapped(least.waldur_api_url),
          storage_systems: { capstor: wrapped("capstor") },
          auth: { keycloak_realm: wrapped("other"), audience: [wrapped("a")], keycloak_url: "https://a/" },
          hpc_user_api: { ...hpcUser, client_secret: undefined, client_id: wrapped("hpc-client") },
        },
        environment: {
          WALDUR_API_TOKEN: wrapped(token),
          HPC_USER_CLIENT_SECRET_FILE: wrapped(file),
          INODE_SOFT_COEFFICIENT: wrapped("1.2"),
          WALDUR_VERIFY_SSL: wrapped("no"),
          STORAGE_SYSTEMS: wrapped('{"vast":"v"}').replaceAll(/^"|"$/g, ""),
        },
        directory,
      })
      expect(waldur.apiUrl).toBe(least.waldur_api_url)
      expect(secretNow(waldur.token)).toBe(token)
      expect(waldur.tls.verify).toBe(false)
      expect(auth.realmUrl).toBe("https://a/realms/other")
      expect(auth.audience).toEqual(["a"])
      expect(hpcUserApi?.clientId).toBe("hpc-client")
      expect(hpcUserApi && secretNow(hpcUserApi.clientSecret)).toBe("hunter2-hunter2")
      expect(model.inodeSoftCoefficient).toBe(1.2)
      expect(model.storageSystems).toEqual([{ name: "vast", offeringSlug: "v" }])
    }
  })

  test("that is a secret is reported, and not shown, if more than a newline was stripped", async () => {
    const reported = await settingsOf({ environment: { WALDUR_API_TOKEN: `"${token}"` } })
    expect(reported.warnings).toContain(
      "waldur_api_token (environment variable WALDUR_API_TOKEN): white space or quotes around the secret were stripped",
    )
    expect(JSON.stringify([reported.warnings, reported.effective])).not.toContain(token)
    expect((await settingsOf({ environment: { WALDUR_API_TOKEN: token } })).warnings.join()).not.toMatch(/stripped/)
  })

  test("keeps quotes that are not a pair around the whole, and quotes inside", () => {
    for (const text of ['a"b', '"a', "'a\"", '"a"b"', "it's", '"a" and "b"']) expect(unwrapped(text)).toBe(text)
    fc.assert(
      fc.property(fc.string(), (text) => {
        const once = unwrapped(text)
        expect(text).toContain(once)
        expect(once).toBe(once.trim())
      }),
    )
  })

  test("of quotes or white space alone is an unset variable", async () => {
    for (const nothing of ["", " ", '""', "''", "\n"]) {
      const { model } = await settingsOf({ environment: { STORAGE_FILE_SYSTEM: nothing, WALDUR_API_URL: nothing } })
      expect(model.storageFileSystem).toBe("lustre")
    }
  })

  test("that is empty in the file is an error if a default would silently replace it", async () => {
    for (const path of ["backend_settings.storage_file_system", "hpc_user_api.oidc_scope", "auth.keycloak_realm"]) {
      expect(await pathsOf(placed(path, ""))).toEqual([path])
      expect(await pathsOf(placed(path, "''"))).toEqual([path])
    }
    await settingsOf(placed("waldur_socks_proxy", ""))
  })

  test("has no control character and a bounded length, wherever it is used", async () => {
    for (const path of ["agent_header", "auth.keycloak_realm", "hpc_user_api.oidc_scope", "cache.path"]) {
      for (const value of ["a\nX-Evil: 1", "a\u0000b", "a\u001b[2J", "a\ud800b", "x".repeat(5000)]) {
        expect([path, await pathsOf(placed(path, value))]).toEqual([path, [path]])
      }
    }
    expect(await pathsOf(placed("agent_header", "müller/1"))).toEqual(["agent_header"])
  })

  test("that names a realm is one component of a URL", async () => {
    for (const realm of ["a/b", "..", ".", "../master", "a?b", "a#b", "a\\b", "a%2fb", "/"]) {
      expect([realm, await pathsOf(placed("auth.keycloak_realm", realm))]).toEqual([realm, ["auth.keycloak_realm"]])
    }
  })

  test("that cannot be a Waldur token is an error at the start", async () => {
    for (const bad of ["hunter2", token.slice(1), `${token}0`, `Token ${token}`, `g${token.slice(1)}`]) {
      const problems = await problemsOf(placed("waldur_api_token", bad))
      expect(problems).toMatchObject([{ path: "waldur_api_token", found: "*** (a secret)" }])
      expect(JSON.stringify(problems)).not.toContain(bad)
    }
  })
})

describe("a configuration error", () => {
  const keys = [
    ["debug", "log_level", "agent_header", "waldur_api_url", "waldur_api_token", "waldur_verify_ssl", "waldur_ca_file"],
    ["waldur_socks_proxy", "waldur_timeout", "callback_origins", "storage_systems", "backend_components"],
    ["backend_settings.storage_file_system", "backend_settings.inode_soft_coefficient", "backend_settings.mount_roots"],
    ["hpc_user_api.api_url", "hpc_user_api.min_gid", "hpc_user_api.fallback", "auth.mode", "auth.keycloak_url"],
    ["auth.issuer", "auth.keycloak_realm", "auth.audience", "auth.ca_file", "cors.allowed_origins", "cache.fresh_for"],
    [
      "cache.url",
      "sentry.dsn",
      "sentry.traces_sample_rate",
      "auth.disable_auth",
      "storage_systems.capstor",
      "auth",
      "cache",
    ],
  ].flat()

  test.each(["Sw0rdfish-4711-x", "correct-horse-battery", "918273645546372819"])(
    "shows no secret, whatever key it is under and in whatever form: %s",
    async (secret) => {
      for (const path of keys) {
        for (const value of [
          secret,
          token,
          `https://user:${secret}@host/a/b?c`,
          `https://host/?token=${secret}`,
          `user:${secret}@host`,
          [secret],
          { [secret.toLowerCase()]: secret, a: { password: secret } },
          `\n${secret}\u0000`,
        ]) {
          const given = placed(path, value)
          // If the value is allowed, another key is wrong.
          const yaml = { ...(given.yaml as object), debug: path === "debug" ? value : "perhaps" }
          const shown = JSON.stringify(await problemsOf({ yaml }))
          expect([path, shown]).toEqual([
            path,
            expect.not.stringMatching(new RegExp(`${secret}|${token}|0rdfish`, "i")),
          ])
        }
      }
    },
  )

  test("about a secret that YAML reads as a number says so, without the number", async () => {
    const [problem] = await problemsOf(placed("hpc_user_api.client_secret", 918_273_645))
    expect(problem?.found).toBe("*** (a secret), read as a number: put it in quotes")
  })

  test("shows no secret that is also at its own key elsewhere", async () => {
    const yaml = { ...least, hpc_user_api: { ...hpcUser, client_secret: "correcthorse", fallback: "correcthorse" } }
    expect(JSON.stringify(await problemsOf({ yaml }))).not.toContain("correcthorse")
  })

  test("about a file does not repeat a secret that was given in place of its name", async () => {
    for (const name of ["WALDUR_API_TOKEN_FILE", "WALDUR_CA_FILE", "CACHE_URL_FILE"]) {
      const yaml = { ...least, waldur_api_token: name.startsWith("WALDUR_API") ? undefined : token }
      for (const secret of [token, "hunter2-hunter2", `redis://:hunter2x@host/${"0".repeat(300)}`]) {
        const problems = await problemsOf({ yaml, environment: { [name]: secret } })
        expect([name, JSON.stringify(problems)]).toEqual([name, expect.not.stringMatching(/01234567|hunter2/)])
      }
    }
  })

  test("is one line at most for each of many unknown keys", async () => {
    const many = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`some_key_of_another_${i}`, 1]))
    const { warnings } = await settingsOf({ yaml: { ...least, ...many, ["x".repeat(100_000)]: 1 } })
    expect(warnings.length).toBeLessThan(40)
    expect(warnings.join("\n").length).toBeLessThan(20_000)
  })
})

describe("a configured file", () => {
  test("that is a FIFO, a device, a directory or too large is an error and blocks nothing", async () => {
    const directory = await aDirectory()
    const large = join(directory, "large")
    await writeFile(large, "x".repeat(2 * 1024 * 1024))
    const binary = join(directory, "binary")
    await writeFile(binary, Buffer.from([0xff, 0xfe, 0x00]))
    for (const path of [await aFifo(directory, "fifo"), "/dev/zero", directory, large, binary]) {
      const asSecret = await problemsOf({
        yaml: { ...least, waldur_api_token: undefined },
        environment: { WALDUR_API_TOKEN_FILE: path },
      })
      expect([path, asSecret.map((one) => one.path)]).toEqual([path, ["waldur_api_token"]])
      expect(await pathsOf(placed("waldur_ca_file", path))).toEqual(["waldur_ca_file"])
      const exit = await Effect.runPromiseExit(
        loadSettings({ configPath: path, environment: {}, workingDirectory: directory }),
      )
      const error = Exit.findErrorOption(exit)
      expect(error._tag === "Some" && error.value.problems.map((one) => one.path)).toEqual([path])
    }
  })
})

describe("the YAML file", () => {
  test("has merge keys, which take effect", async () => {
    const { waldur, hpcUserApi } = await settingsOf({
      yaml: `
common: &common { socks_proxy: "socks5h://proxy:1080", timeout: 20s }
waldur_api_url: https://waldur.example.org
waldur_api_token: "${token}"
storage_systems: { capstor: capstor }
auth: { disable_auth: true }
hpc_user_api:
  <<: *common
  api_url: https://hpc.example.org
  client_id: id
  client_secret: hunter2-hunter2
  oidc_token_url: https://auth.example.org/token
  timeout: 30s
`,
    })
    expect(hpcUserApi?.proxy).toBe("socks5h://proxy:1080")
    expect(waldur.proxy).toEqual({})
  })

  test("with a duplicate key, an alias bomb, an unknown tag, a second document or too deep a nesting is an error", async () => {
    const bomb = Array.from({ length: 12 }, (_, i) =>
      i === 0
        ? "a0: &a0 [x, x, x, x, x, x, x, x, x]"
        : `a${i}: &a${i} [${Array(9)
            .fill(`*a${i - 1}`)
            .join()}]`,
    ).join("\n")
    const bad = [
      "debug: true\ndebug: false",
      "cache:\n  fresh_for: 1\n  fresh_for: 2",
      bomb,
      `a: ${"[".repeat(50_000)}`,
      `a: ${"[".repeat(50_000)}${"]".repeat(50_000)}`,
      `waldur_api_token: !vault ${token}`,
      "{a: 1}: 2",
      "? [a]\n: 1",
      "debug: true\n---\nbackend_settings: { mount_roots: [/capstor] }",
      "debug: true\n---\n",
    ]
    for (const yaml of bad) {
      const problems = await problemsOf({ yaml })
      expect([yaml.slice(0, 30), problems.length, problems[0]?.path]).toEqual([
        yaml.slice(0, 30),
        1,
        expect.stringMatching(/config\.yaml$/),
      ])
      expect(JSON.stringify(problems)).not.toContain(token)
    }
  })

  test("with any text yields settings or typed problems, never a defect", async () => {
    const piece = fc.constantFrom(
      "a",
      ": ",
      "\n",
      "  ",
      "- ",
      "&x ",
      "*x",
      "<<",
      "[",
      "]",
      "{",
      "}",
      ",",
      '"',
      "'",
      "#",
      "!t ",
      "|",
      ">",
      "%",
      "@",
      "?",
      "~",
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (pieces) => {
        const exit = await load({ yaml: pieces.join("") })
        if (Exit.isFailure(exit)) expect(Exit.findErrorOption(exit)._tag).toBe("Some")
      }),
      { numRuns: 200 },
    )
  })

  test("with any value at any key yields settings or typed problems, never a defect", async () => {
    const path = fc.constantFrom(
      "agent_header",
      "waldur_api_url",
      "storage_systems",
      "backend_components",
      "auth",
      "auth.audience",
      "backend_settings",
      "backend_settings.mount_roots",
      "hpc_user_api",
      "hpc_user_api.min_gid",
      "cache.fresh_for",
      "cors.allowed_origins",
      "callback_origins",
    )
    await fc.assert(
      fc.asyncProperty(path, fc.jsonValue(), async (key, value) => {
        const exit = await load(placed(key, value))
        if (Exit.isFailure(exit)) expect(Exit.findErrorOption(exit)._tag).toBe("Some")
      }),
      { numRuns: 300 },
    )
  })
})

test("STORAGE_SYSTEMS with a duplicate name is an error", async () => {
  expect(await pathsOf({ environment: { STORAGE_SYSTEMS: '{"a":"x","a":"y"}' } })).toEqual(["storage_systems"])
  expect(await pathsOf({ environment: { STORAGE_SYSTEMS: `${'{"a":'.repeat(20_000)}` } })).toEqual(["storage_systems"])
})

describe(".env", () => {
  // Results of python-dotenv 1.2.4.
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: that is what is read.
  const vectors: ReadonlyArray<readonly [string, Readonly<Record<string, string | undefined>>]> = [
    ["A=pass#word", { A: "pass#word" }],
    ["A=pass #word", { A: "pass" }],
    ["A=#word", { A: "#word" }],
    ["A= #word", { A: "" }],
    ["A= b c  ", { A: "b c" }],
    ["export A=b", { A: "b" }],
    ["'A B'=c", { "A B": "c" }],
    ["A = b", { A: "b" }],
    ["A='b#c' # d", { A: "b#c" }],
    ['A="b\\nc"', { A: "b\nc" }],
    ["A='b\\nc'", { A: "b\\nc" }],
    ["A='it\\'s'", { A: "it's" }],
    ['A="x\ny"\nB=z', { A: "x\ny", B: "z" }],
    ['A="\\\\"', { A: "\\" }],
    ["A", { A: undefined }],
    ["A=\nB=2", { A: "", B: "2" }],
    ["A=1\nA=2", { A: "2" }],
    ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
    ["\uFEFFA=1", { A: "1" }],
    ["A=1\nB=${A}${C:-d}${E}${ENV}", { A: "1", B: "1denv" }],
    ["A=${x:y}${", { A: "${x:y}${" }],
    ["A='b' c\nB=1", { B: "1" }],
    ["A='b\nB=1", { B: "1" }],
    ["# comment\n\n  A=1", { A: "1" }],
  ]
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: that is what is read.

  test("is read as python-dotenv reads it", () => {
    for (const [text, values] of vectors) {
      const read = parseDotenv(text.replace(/^\uFEFF/, ""), { ENV: "env" }).values
      expect([text, read]).toEqual([text, values])
    }
  })

  test("with any text is read in linear time and without a fault", () => {
    for (const piece of ["${", "A='", 'A="\\', "${:", "${a:b", "#", " #", "'", "A ", "\\", "\n"]) {
      parseDotenv(`A=${piece.repeat(300_000)}`, {})
      parseDotenv(`${piece}\n`.repeat(100_000), {})
    }
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => void parseDotenv(text, {})))
  })

  test("with a line that is neither a variable nor a comment causes a warning that names the line only", async () => {
    const directory = await aDirectory()
    await writeFile(join(directory, ".env"), "LOG_LEVEL=error\n'hunter2\n", { mode: 0o600 })
    const { warnings, logLevel } = await settingsOf({ directory })
    expect(logLevel).toBe("error")
    expect(warnings).toContain(".env: line 2 is neither a variable nor a comment, and has no effect")
    expect(warnings.join()).not.toContain("hunter2")
  })

  test("that others may write, or that is a FIFO or too large, is an error", async () => {
    for (const spoil of [
      async (path: string) => {
        await writeFile(path, "LOG_LEVEL=error")
        await chmod(path, 0o666)
      },
      async (path: string) => {
        await writeFile(path, "LOG_LEVEL=error")
        await chmod(path, 0o620)
      },
      async (path: string) => void execFileSync("mkfifo", ["-m", "600", path]),
      (path: string) => writeFile(path, "#".repeat(2 * 1024 * 1024), { mode: 0o600 }),
      (path: string) => symlink("/dev/zero", path),
    ]) {
      const directory = await aDirectory()
      await spoil(join(directory, ".env"))
      expect(await pathsOf({ directory })).toEqual([join(directory, ".env")])
    }
  })

  test("of another user is refused, and one of root is read", () => {
    const mode = 0o100644
    expect(dotenvFault({ uid: 1000, mode }, 1000)).toBeUndefined()
    expect(dotenvFault({ uid: 0, mode }, 1000)).toBeUndefined()
    expect(dotenvFault({ uid: 1001, mode }, 1000)).toMatch(/another user/)
    expect(dotenvFault({ uid: 1001, mode }, 0)).toMatch(/another user/)
    expect(dotenvFault({ uid: 1000, mode: 0o100664 }, 1000)).toMatch(/write/)
  })

  test("may be a symbolic link, and a directory of that name is ignored", async () => {
    const directory = await aDirectory()
    await writeFile(join(directory, "real"), "LOG_LEVEL=error", { mode: 0o600 })
    await symlink("real", join(directory, ".env"))
    expect((await settingsOf({ directory })).logLevel).toBe("error")
    const other = await aDirectory()
    await mkdir(join(other, ".env"))
    expect((await settingsOf({ directory: other })).logLevel).toBe("info")
  })
})

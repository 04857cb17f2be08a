import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { buildWorld } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aDirectory, aSandbox, environmentOf, finished, serving } from "./a-process.ts"

describe("check", () => {
  test("with everything right reports ok for each check, and exits with 0", async () => {
    const sandbox = await aSandbox()
    const environment = {
      ...environmentOf(sandbox),
      DISABLE_AUTH: "",
      CSCS_KEYCLOAK_URL: sandbox.issuer.baseUrl,
      CSCS_KEYCLOAK_CLIENT_ID: "storage-proxy",
      BACKEND_SETTINGS_MOUNT_ROOTS: "/capstor,/vast,/iopsstor",
    }
    const { code, stdout, stderr } = await finished(["check"], { environment })
    expect([code, stderr]).toEqual([0, ""])
    const lines = stdout.trim().split("\n")
    // A busy machine makes any call slow, which is a warning.
    const isSlow = (index: number) => lines[index + 1]?.startsWith("      Slow: ")
    const shown = lines.map((line, index) => (isSlow(index) ? line.replace("warn", "ok  ") : line))
    expect(shown.filter((line) => !line.startsWith(" ")).map((line) => line.replace(/: .*/, ""))).toEqual([
      "ok    configuration",
      "ok    Waldur",
      "ok    offering capstor",
      "ok    offering vast",
      "ok    offering iopsstor",
      "ok    HPC User API",
      "ok    token issuer",
    ])
    const { stdout: json } = await finished(["check", "--json"], { environment })
    expect(JSON.parse(json)).toMatchObject({ ok: true, warnings: [], checks: Array(6).fill({ ok: true }) })
    // The log of its own reads.
    expect(JSON.parse(json).gid_cache).toMatchObject({ cache_policy: "Persists until server restart" })
    expect(JSON.parse(json).gid_cache.total_entries).toBeGreaterThan(0)
    expect(stdout).toMatch(/^(ok {2}|warn) {2}Waldur: an unknown version, which the token's user may not read/m)
    expect(stdout).toMatch(/ok {4}offering capstor: \d+ resources/)
  })

  test("reports failures with advice, and exits with 1", async () => {
    const failing = async (more: Record<string, string>, options: Parameters<typeof aSandbox>[0] = {}) => {
      const sandbox = await aSandbox(options)
      const environment = { ...environmentOf(sandbox), ...more }
      const { code, stdout, output } = await finished(["check"], { environment })
      expect(code).toBe(1)
      expect(output).not.toMatch(/^\s+at /m)
      for (const secret of [environment.WALDUR_API_TOKEN, environment.HPC_USER_CLIENT_SECRET]) {
        expect(output).not.toContain(secret)
      }
      return stdout
    }
    const sandbox = await aSandbox()
    const [wrongToken, blind, partial, old, wrongSecret, elsewhere] = await Promise.all([
      failing({ WALDUR_API_TOKEN: "0".repeat(40) }),
      failing({ WALDUR_API_TOKEN: sandbox.waldur.tokens.blind }),
      failing({ WALDUR_API_TOKEN: sandbox.waldur.tokens.partial }),
      failing({}, { dialect: "7.0.7" }),
      failing({ HPC_USER_CLIENT_SECRET: "hunter2" }),
      failing({ WALDUR_API_URL: sandbox.issuer.baseUrl }),
    ])
    expect(wrongToken).toMatch(/FAIL {2}Waldur: .*\n +.*waldur_api_token/)
    expect(wrongToken).toMatch(/^(ok {2}|warn) {2}HPC User API/m)
    for (const slug of ["capstor", "vast", "iopsstor"]) {
      expect(blind).toMatch(
        new RegExp(`FAIL {2}offering ${slug}: .*token sees no such offering.*\\n +.*CUSTOMER.READER`),
      )
    }
    expect(partial).toMatch(/ok {4}offering capstor/)
    expect(partial).toMatch(/FAIL {2}offering vast/)
    expect(old).toMatch(/FAIL {2}Waldur: .*too old.*\n +Upgrade Waldur to version 8/)
    expect(wrongSecret).toMatch(/^(ok {2}|warn) {2}Waldur/m)
    expect(wrongSecret).toMatch(/FAIL {2}HPC User API: .*invalid_client.*\n +.*client_secret/)
    expect(elsewhere).toMatch(/FAIL {2}Waldur: /)
  })

  test("reports a configuration without mount roots as a warning, not as a failure", async () => {
    const environment = environmentOf(await aSandbox())
    const [text, json] = await Promise.all([
      finished(["check"], { environment }),
      finished(["check", "--json"], { environment }),
    ])
    expect([text.code, json.code]).toEqual([0, 0])
    expect(text.stdout).toMatch(/^warn {2}backend_settings\.mount_roots is not set/m)
    expect(JSON.parse(json.stdout).warnings.join()).toContain("mount_roots is not set")
  })

  test("--json prints only JSON on standard output, whatever is logged meanwhile", async () => {
    const sandbox = await aSandbox()
    sandbox.faults.set("waldur", { method: "HEAD", status: 405 })
    const { code, stdout, stderr } = await finished(["check", "--json"], { environment: environmentOf(sandbox) })
    expect([code, JSON.parse(stdout).ok]).toEqual([0, true])
    expect(stderr).toContain("counted by GET")
  })

  test.each([404, 500])(
    "does not fail for a version/ that is %i, because serve does not request it",
    async (status) => {
      const sandbox = await aSandbox()
      sandbox.faults.set("waldur", { path: /version/, status })
      const { code, stdout } = await finished(["check"], { environment: environmentOf(sandbox) })
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^(ok {2}|warn) {2}Waldur: an unknown version/m)])
    },
  )

  test("reports two offerings of one slug as a warning with both, and fails for a UUID of neither", async () => {
    const world = buildWorld({ edgeCases: false, resources: 20 })
    const [capstor] = world.offerings.filter(({ slug }) => slug === "capstor")
    const other = "d".repeat(32)
    world.offerings.push({ ...capstor, uuid: other } as NonNullable<typeof capstor>)
    const environment = environmentOf(await aSandbox({ world }))
    const uuid = String(capstor?.uuid)
    const systems = (offering: unknown) => ({ ...environment, STORAGE_SYSTEMS: JSON.stringify({ capstor: offering }) })
    const [both, chosen, wrong] = await Promise.all([
      finished(["check"], { environment: systems("capstor") }),
      finished(["check"], { environment: systems({ slug: "capstor", uuid }) }),
      finished(["check"], { environment: systems({ slug: "capstor", uuid: "e".repeat(32) }) }),
    ])
    const dashed = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
    expect([both.code, both.stdout.match(/^warn {2}offering capstor: .*$/m)?.[0]?.match(dashed)?.length]).toEqual([
      0, 2,
    ])
    expect(both.stdout).toContain("storage_systems: {capstor: {slug: capstor, uuid: …}}")
    expect(chosen.stdout).toMatch(/^ok {4}offering capstor/m)
    expect([wrong.code, wrong.stdout]).toEqual([
      1,
      expect.stringMatching(/^FAIL {2}offering capstor: .*eeee.*\n +Correct storage_systems\.capstor\.uuid/m),
    ])
  })

  test("fails for mock GIDs unless hpc_user_api.fallback asks for them by name; other warnings fail nothing", async () => {
    const {
      HPC_USER_API_URL: _,
      HPC_USER_CLIENT_ID: __,
      HPC_USER_CLIENT_SECRET: ___,
      HPC_USER_OIDC_TOKEN_URL: ____,
      ...environment
    } = environmentOf(await aSandbox())
    const [unnamed, development, named] = await Promise.all([
      finished(["check"], { environment }),
      finished(["check"], { environment: { ...environment, HPC_USER_DEVELOPMENT_MODE: "true" } }),
      finished(["check"], { environment: { ...environment, HPC_USER_API_FALLBACK: "mock" } }),
    ])
    for (const { code, stdout } of [unnamed, development]) {
      expect(code).toBe(1)
      expect(stdout).toMatch(/^FAIL {2}mock GIDs: .*all GIDs are mocks\n +.*hpc_user_api\.fallback: mock\.$/m)
    }
    expect(named.code).toBe(0)
    expect(named.stdout).toMatch(/warn {2}authentication is disabled/)
    expect(named.stdout).toMatch(/warn {2}no HPC User API is configured/)
    expect(named.stdout).toMatch(/^warn {2}mock GIDs: no HPC User API is configured/m)
  })
})

describe("export", () => {
  test("writes all entries to standard output as one JSON list, equal to the served one", async () => {
    const sandbox = await aSandbox()
    const environment = environmentOf(sandbox)
    const [{ code, stdout, stderr }, { url }] = await Promise.all([
      finished(["export"], { environment }),
      serving([], { environment }),
    ])
    expect(code).toBe(0)
    const served = (await (await fetch(`${url}/api/storage-resources/?page_size=500`)).json()) as {
      resources: unknown[]
    }
    expect(JSON.parse(stdout)).toEqual(served.resources)
    expect(served.resources.length).toBeGreaterThan(20)
    for (const line of stderr.trim().split("\n").filter(Boolean)) JSON.parse(line)
  })

  test("replaces an old file atomically, and leaves nothing beside it", async () => {
    const sandbox = await aSandbox()
    const directory = await aDirectory()
    await writeFile(join(directory, "entries.json"), "old")
    const { code, stdout } = await finished(["export", "--out", "entries.json"], {
      environment: environmentOf(sandbox),
      directory,
    })
    expect([code, stdout]).toEqual([0, ""])
    expect(await readdir(directory)).toEqual(["entries.json"])
    const text = await readFile(join(directory, "entries.json"), "utf8")
    expect(JSON.parse(text).length).toBeGreaterThan(20)
    expect(text.endsWith("]\n")).toBe(true)
  })

  test("that fails exits with 1, reports why, and leaves the old file alone", async () => {
    const sandbox = await aSandbox({ dialect: "7.0.7" })
    const directory = await aDirectory()
    await writeFile(join(directory, "entries.json"), "old")
    const { code, stdout, stderr } = await finished(["export", "--out", "entries.json"], {
      environment: environmentOf(sandbox),
      directory,
    })
    expect([code, stdout]).toEqual([1, ""])
    expect(stderr).toMatch(/too old/)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(await readdir(directory)).toEqual(["entries.json"])
    expect(await readFile(join(directory, "entries.json"), "utf8")).toBe("old")
  })

  test("reports an upstream's error without its control characters", async () => {
    const sandbox = await aSandbox()
    sandbox.faults.set("waldur", { status: 403, body: { json: "\u009b2J\u202e" } })
    const { code, stderr } = await finished(["export"], { environment: environmentOf(sandbox) })
    expect([code, stderr]).toEqual([1, expect.stringContaining('403: "\\u009b2J\\u202e"')])
  })

  test("to a path that cannot be written exits with 1 and reports the path", async () => {
    const sandbox = await aSandbox()
    const directory = await aDirectory()
    await mkdir(join(directory, "taken"))
    const environment = environmentOf(sandbox)
    const places = ["no/such/folder.json", "taken"]
    const all = await Promise.all(places.map((out) => finished(["export", "--out", out], { environment, directory })))
    for (const [index, { code, stderr }] of all.entries()) {
      const out = places[index] ?? ""
      expect([out, code]).toEqual([out, 1])
      expect(stderr).toContain(out)
      expect(stderr).not.toMatch(/^\s+at /m)
    }
    expect(await readdir(directory)).toEqual(["taken"])
  })
})

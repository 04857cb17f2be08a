import { buildWorld } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aSandbox, environmentOf, finished } from "./a-process.ts"

const oddWorld = () => aSandbox({ world: buildWorld() })

const dashed = (uuid: unknown) =>
  String(uuid).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, (_, ...parts) => parts.slice(0, 5).join("-"))

describe("explain", () => {
  test("reports the rule for each value of a served entry, and exits with 0", async () => {
    const sandbox = await oddWorld()
    const { code, stdout, stderr } = await finished(["explain", "iopsstor-quota-soft-space-above-hard"], {
      environment: environmentOf(sandbox),
    })
    expect([code, stderr]).toEqual([0, ""])
    expect(stdout).toMatch(/^ {2}served as active at \/iopsstor\/store\/cscs\/unige\/gaia-g$/m)
    expect(stdout).toMatch(/^ {2}below the customer University of Geneva at \/iopsstor\/store\/cscs\/unige$/m)
    expect(stdout).toMatch(/^ {2}soft-above-hard options\.soft_quota_space is 90: /m)
    expect(stdout).toMatch(/^ {2}space soft +60\n +options\.soft_quota_space: .*lowered to it$/m)
    expect(stdout).toMatch(/^ {2}gid +31186\n +HPC User API: of the project gaia-g/m)
    expect(stdout).toMatch(/^ {2}next Nothing: it is in service$/m)
  })

  test.each([
    ["bad-permissions", "bad-data", "attributes.permissions", "mend-field"],
    ["project-without-gid", "gid-unknown", "project_slug", "create-group"],
    ["gid-twice-different", "gid-unknown", "project_slug", "create-group"],
    ["removing-beside-live-same-path", "removal-of-live-path", "project_slug", "free-path"],
    ["slug-number", "bad-data", "slug", "mend-field"],
  ])("reports why %s is absent, and exits with 3", async (label, code, field, next) => {
    const sandbox = await oddWorld()
    const uuid = sandbox.world.cases.get(label)?.row.uuid
    const { stdout, stderr, ...ended } = await finished(["explain", String(uuid), "--json"], {
      environment: environmentOf(sandbox),
    })
    expect(ended.code).toBe(3)
    expect(stderr).toBe(`${uuid} is not in the list: see the reason above\n`)
    const { found } = JSON.parse(stdout)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ uuid: dashed(uuid), entry: null, skipped: { code, field }, next: { code: next } })
  })

  test("reports for an unknown argument what was searched, what Waldur hides, and similar names", async () => {
    const sandbox = await oddWorld()
    const environment = environmentOf(sandbox)
    const [slug, path, json] = await Promise.all([
      finished(["explain", "vast-bad-permision"], { environment }),
      finished(["explain", "/capstor/store/cscs/ehtz"], { environment }),
      finished(["explain", "vast-bad-permision", "--json"], { environment }),
    ])
    expect([slug.code, path.code, json.code]).toEqual([3, 3, 3])
    expect(slug.stdout).toMatch(/^Nothing has the slug vast-bad-permision among \d+ resources, \d+ bad records/)
    expect(slug.stdout).toMatch(/^Did you mean vast-bad-permissions\?$/m)
    expect(path.stdout).toMatch(/^Did you mean \/capstor\/store\/cscs\/ethz/m)
    expect(slug.stderr).toBe("Nothing found for vast-bad-permision\n")
    expect(JSON.parse(json.stdout)).toMatchObject({ found: [], nearest: ["vast-bad-permissions"] })
  })

  test("reports a mock GID, and continues if the HPC User API is unavailable", async () => {
    const sandbox = await oddWorld()
    const slug = String(sandbox.world.cases.get("capstor-store")?.row.slug)
    const { HPC_USER_API_URL, ...without } = environmentOf(sandbox)
    for (const key of Object.keys(without)) if (key.startsWith("HPC_")) delete without[key]
    const wrong = { ...environmentOf(sandbox), HPC_USER_CLIENT_SECRET: "hunter2" }
    const [mocked, down] = await Promise.all([
      finished(["explain", slug], { environment: without }),
      finished(["explain", slug], { environment: wrong }),
    ])
    expect(HPC_USER_API_URL).toBeDefined()
    expect(mocked.code).toBe(0)
    expect(mocked.stdout).toMatch(/^ {2}gid +3\d{4}\n +mock: no HPC User API is configured/m)
    expect(down.code).toBe(3)
    expect(down.stdout).toMatch(/^ {2}gid-unavailable project_slug/m)
    expect(down.stdout).toMatch(/^ {2}next \(operator\) Restore the HPC User API/m)
    expect(down.output).not.toMatch(/hunter2|^\s+at /m)
  })

  test("uses colour on request, and prints no control character from Waldur", async () => {
    const world = buildWorld({ edgeCases: false, resources: 3 })
    const [row] = world.resources
    if (row === undefined) throw new Error("no resource")
    row.customer_name = "Evil\u001b[2J"
    row.project_slug = "a\u001b[2Jb"
    const sandbox = await aSandbox({ world })
    const environment = environmentOf(sandbox)
    const ask = ["explain", String(row.uuid)]
    const [plain, inColor] = await Promise.all([
      finished(ask, { environment }),
      finished(ask, { environment: { ...environment, NO_COLOR: "", FORCE_COLOR: "1" } }),
    ])
    const esc = "\u001b"
    expect(plain.output).not.toContain(esc)
    expect(plain.stdout).toContain("a\\u001b[2Jb")
    expect(inColor.stdout).toContain(`${esc}[1m`)
    expect(inColor.stdout).not.toContain(`${esc}[2J`)
  })

  test("without an argument exits with 2 and its usage", async () => {
    const { code, output } = await finished(["explain"])
    expect(code).toBe(2)
    expect(output).toMatch(/storage-proxy explain/)
    expect(output).not.toMatch(/^\s+at /m)
  })
})

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { buildWorld } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { progressBar } from "../src/progress.ts"
import { aDirectory, aSandbox, environmentOf, finished, staffEnvironmentOf } from "./a-process.ts"

interface Entry {
  readonly itemId: string
  readonly storageSystem: { readonly key: string }
  readonly target: { readonly targetType: string; readonly targetItem: { readonly key?: string } }
}

const linesIn = (text: string): ReadonlyArray<Entry> =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))

describe("export", () => {
  test("as ndjson writes the same entries, one per line", async () => {
    const environment = environmentOf(await aSandbox())
    const [list, lines] = await Promise.all([
      finished(["export"], { environment }),
      finished(["export", "--format", "ndjson"], { environment }),
    ])
    expect(linesIn(lines.stdout)).toEqual(JSON.parse(list.stdout))
    expect(lines.stdout.endsWith("}\n")).toBe(true)
  })

  test("of one storage system, or one offering, contains no entries of others", async () => {
    const world = buildWorld()
    const environment = staffEnvironmentOf(await aSandbox({ world }))
    const partner = world.offerings.find(({ uuid, slug }) => {
      const own = world.cases.get("second-provider")?.row.offering_uuid
      return uuid === own && slug === "iopsstor"
    })
    const [vast, offering] = await Promise.all([
      finished(["export", "--storage-system", "vast", "--format", "ndjson"], { environment }),
      finished(["export", "--offering-uuid", partner?.uuid ?? "", "--format", "ndjson"], { environment }),
    ])
    expect(new Set(linesIn(vast.stdout).map(({ storageSystem }) => storageSystem.key))).toEqual(new Set(["vast"]))
    // Two providers have an offering with this slug. Only one provider's entries are expected, tenants first.
    const tenants = linesIn(offering.stdout).filter(({ target }) => target.targetType === "tenant")
    expect(new Set(tenants.map(({ target }) => target.targetItem.key))).toEqual(new Set(["alps-partner"]))
    expect(linesIn(offering.stdout).length).toBeGreaterThan(10)
  })

  test("as a dry run writes nothing and reports how much it would write", async () => {
    const environment = staffEnvironmentOf(await aSandbox({ world: buildWorld() }))
    const directory = await aDirectory()
    const elsewhere = await aDirectory()
    const args = ["export", "--out", "entries.json"]
    const [text, json, written] = await Promise.all([
      finished([...args, "--dry-run"], { environment, directory }),
      finished([...args, "--dry-run", "--json"], { environment, directory }),
      finished([...args, "--json"], { environment, directory: elsewhere }),
    ])
    expect(await readdir(directory)).toEqual([])
    const out = join(directory, "entries.json")
    expect(text.stdout).toContain(`Would write 272 entries to ${out}\n  capstor: 163\n`)
    expect(text.stdout).toMatch(/^ {2}skipped, bad-data: \d+$/m)
    const summary = JSON.parse(json.stdout)
    expect(summary).toMatchObject({
      out,
      format: "json",
      dryRun: true,
      entries: { capstor: 163, vast: 47, iopsstor: 62 },
      total: 272,
      warnings: [],
    })
    expect(JSON.parse(written.stdout)).toEqual({ ...summary, out: join(elsewhere, "entries.json"), dryRun: false })
  })

  test("of no entries is an empty list", async () => {
    const environment = environmentOf(await aSandbox({ world: buildWorld({ edgeCases: false, resources: 0 }) }))
    const directory = await aDirectory()
    const { code } = await finished(["export", "--out", "entries.json"], { environment, directory })
    expect([code, await readFile(join(directory, "entries.json"), "utf8")]).toEqual([0, "[]\n"])
  })

  test("reports offerings that the token cannot see, because they are missing", async () => {
    const sandbox = await aSandbox()
    const environment = { ...environmentOf(sandbox), WALDUR_API_TOKEN: sandbox.waldur.tokens.partial }
    const { code, stderr } = await finished(["export"], { environment })
    expect(code).toBe(0)
    expect(stderr).toMatch(/^Waldur's token does not see the offering vast: its entries are missing$/m)
  })

  test.each([
    [
      ["--storage-system", "nope"],
      /^--storage-system: Invalid storage_system value\. Allowed: capstor, vast, iopsstor$/m,
    ],
    [["--offering-uuid", "nope"], /^--offering-uuid: Expected a UUID: nope$/m],
    [["--json"], /^--json needs --out or --dry-run/m],
    [["--format", "xml"], /Invalid value for flag --format/],
  ])("with the arguments %j exits with 2, and reports what is allowed", async (args, reported) => {
    const environment = environmentOf(await aSandbox())
    const { code, stderr } = await finished(["export", ...args], { environment })
    expect(code).toBe(2)
    expect(stderr).toMatch(reported)
  })
})

describe("the progress bar", () => {
  test.each([
    [0, 100, `[${"-".repeat(30)}] 0 of 100 resources`],
    [50, 100, `[${"#".repeat(15)}${"-".repeat(15)}] 50 of 100 resources`],
    [100, 100, `[${"#".repeat(30)}] 100 of 100 resources`],
    [0, 0, `[${"#".repeat(30)}] 0 of 0 resources`],
  ])("for %d of %d shows %s", (done, total, bar) => {
    expect(progressBar(done, total)).toBe(bar)
  })
})

/** The commands that only read, with a real proxy: what they find, their exit codes, and that they leave no trace. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { aProgram } from "./a-program.ts"

test("a key of the file that no setting has is a warning of each command, as a line of JSON with an event", async () => {
  const { start } = await aProgram({ removals_at_most: 1 }, ["capstor"])
  for (const args of [["status"], ["apply", "--system", "capstor"]]) {
    const child = start(...args)
    expect(await child.ended).toBe(0)
    const [line = ""] = child.stderr().split("\n")
    const detail = expect.stringContaining("the key removals_at_most is unknown and has no effect")
    expect(JSON.parse(line)).toMatchObject({ level: "warning", event: "configuration-warning", detail })
  }
})

test("plan, drift, status and --dry-run leave no trace; after apply there is no drift, and status shows what is used", async () => {
  const { folder, start } = await aProgram({}, ["capstor"])
  const root = join(folder, "root")
  const run = async (...args: ReadonlyArray<string>) => {
    const child = start(...args)
    return { code: await child.ended, out: child.stdout(), errors: child.stderr() }
  }
  const drift = async () => {
    const { code, out } = await run("drift", "--json")
    const { drifts } = JSON.parse(out) as { drifts: ReadonlyArray<{ drift: string; path: string }> }
    return { code, drifts: drifts.map(({ drift, path }) => `${drift} ${path}`) }
  }

  const looks = await Promise.all([
    run("plan"),
    run("drift"),
    run("status"),
    run("apply", "--dry-run"),
    run("drift", "--system", "elsewhere"),
    ...["plan", "drift", "apply --dry-run", "adopt --dry-run"].map((command) =>
      run(...command.split(" "), "--only", "00000000-0000-4000-8000-000000000000"),
    ),
  ])
  expect(looks.map(({ code }) => code)).toEqual([2, 2, 0, 0, 1, 1, 1, 1, 1])
  for (const { errors } of looks.slice(5))
    expect(errors).toMatch(/^--only names 0{8}-\S+, which no entry in the list has/)
  expect((await run("plan", "--system", "\u001b[2J")).errors).toMatch(/\\u001b\[2J, which storage_systems/)
  expect(looks[1]?.out).toMatch(/^missing \/capstor\/store\/cscs: the folder is missing$/m)
  expect(looks[2]?.out).toMatch(/Nothing to show/)
  expect(readdirSync(join(root, "capstor"))).toEqual([])
  expect(existsSync(join(folder, "state"))).toBe(false)
  expect(looks[4]).toMatchObject({
    code: 1,
    errors: expect.stringMatching(/elsewhere, which storage_systems does not contain/),
  })

  expect((await run("apply")).code).toBe(0)
  expect(await drift()).toEqual({ code: 0, drifts: [] })

  const path = "/capstor/store/cscs/sib/phylo-flu"
  writeFileSync(join(root, path, "data"), "x".repeat(100_000))
  const onDemand = join(folder, "quota.json")
  chmodSync(join(root, path), 0o700)
  mkdirSync(join(root, "capstor/store/cscs/sib/foreign"))
  const [shown, json, drifted] = await Promise.all([
    run("status", "--open-ondemand", onDemand),
    run("status", "--json"),
    drift(),
  ])
  expect([shown.code, json.code]).toEqual([0, 0])
  expect(shown.out).toMatch(/^\w+ +True AsListed since .* +True AsListed since .* +True .*\/phylo-flu$/m)
  expect(shown.out).toMatch(/^capstor +10\d(\.\d+)? kB +0 +- +25 TB +2 +0 +- +50M .*\/phylo-flu$/m)
  const { items, trash } = JSON.parse(json.out)
  expect(items.find((item: { path: string }) => item.path === path).usage.files.used).toBe("2")
  expect(trash).toEqual([])
  expect(JSON.parse(readFileSync(onDemand, "utf8"))).toMatchObject({ version: 1, quotas: expect.any(Array) })

  expect(drifted).toEqual({
    code: 2,
    drifts: [`different ${path}`, "unlisted /capstor/store/cscs/sib/foreign"],
  })
})

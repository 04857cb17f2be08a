import { once } from "node:events"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { until } from "@cscs/harness"
import { changeResource, placeOrder } from "@cscs/sandbox"
import { expect, onTestFinished, test } from "vitest"
import { aProgram } from "./a-program.ts"

test("a plan that cannot be saved is an error, and a saved one is refused after the list or the disk has changed, with another scope, and if it is not a plan", async () => {
  const { sandbox, folder, start, exitOf, hasDirectories, reports } = await aProgram()
  const file = join(folder, "saved.plan")
  const refused = async (why: string) => {
    const applied = start("apply", file)
    expect({ code: await applied.ended, stderr: applied.stderr() }).toEqual({
      code: 1,
      stderr: expect.stringContaining(why),
    })
    expect([hasDirectories(), reports()]).toEqual([false, []])
  }
  writeFileSync(file, "{}")
  await refused("it is not a plan")
  const unsaved = start("plan", "--out", join(folder, "missing", "saved.plan"))
  expect([await unsaved.ended, unsaved.stderr()]).toEqual([1, expect.stringContaining("Cannot write")])

  expect(await exitOf("plan", "--out", file)).toBe(2)
  const row = sandbox.world.resources.find(({ slug }) => slug === "capstor-phylo-flu") ?? {}
  changeResource(sandbox.world, row, { limits: { storage: 26 } })
  await refused("the list has changed since")

  expect(await exitOf("plan", "--system", "capstor", "--out", file)).toBe(2)
  await refused("it was made with another --system or --only")

  expect(await exitOf("plan", "--out", file)).toBe(2)
  // A directory of another program, where one was to be made.
  const { items } = JSON.parse(readFileSync(file, "utf8"))
  const { path } = items.find((item: { system: string; sign: string }) => item.system === "vast" && item.sign === "+")
  mkdirSync(join(folder, "root", path), { recursive: true })
  const applied = start("apply", file)
  expect([await applied.ended, applied.stderr()]).toEqual([1, expect.stringContaining("the disk, the journal,")])
  expect(reports()).toEqual([])
})

test("a saved plan is carried out while list and disk are as they were, and only once", async () => {
  const { folder, exitOf, hasDirectories } = await aProgram()
  const file = join(folder, "saved.plan")
  expect(await exitOf("plan", "--out", file)).toBe(2)
  expect(await exitOf("apply", file, "--dry-run")).toBe(0)
  expect(hasDirectories()).toBe(false)
  expect(await exitOf("apply", file)).toBe(0)
  expect(hasDirectories()).toBe(true)
  expect(await exitOf("apply", file)).toBe(1)
})

const reported = "store/cscs/sib/phylo-flu"
const neverReported = "store/cscs/ethz/climphys"

test("`apply` corrects what an earlier process reported, by a saved plan or beside other acts, even if the proxy reads for a second", async () => {
  const { sandbox, folder, root, exitOf } = await aProgram()
  const modeOf = (path: string) => statSync(join(root("capstor"), path)).mode & 0o777
  expect(await exitOf("apply")).toBe(0)
  const before = modeOf(reported)

  sandbox.faults.set("waldur", { path: /marketplace-provider-resources/, latencyMs: 1100 })
  chmodSync(join(root("capstor"), reported), 0o700)
  const file = join(folder, "saved.plan")
  expect(await exitOf("plan", "--out", file)).toBe(2)
  // Notes may contain the free space, which always changes.
  const { items, ...about } = JSON.parse(readFileSync(file, "utf8"))
  writeFileSync(file, JSON.stringify({ ...about, items: items.map((item: object) => ({ ...item, note: "as then" })) }))
  expect([await exitOf("apply", file), modeOf(reported)]).toEqual([0, before])

  for (const path of [reported, neverReported]) chmodSync(join(root("capstor"), path), 0o700)
  expect([await exitOf("apply"), modeOf(reported), modeOf(neverReported)]).toEqual([0, before, before])
})

test("`apply` counts what waits for a newer list than the proxy has, and refuses a saved plan that needs one", async () => {
  const { sandbox, folder, root, start, exitOf } = await aProgram()
  expect(await exitOf("apply")).toBe(0)
  chmodSync(join(root("capstor"), reported), 0o700)
  sandbox.faults.set("waldur", { method: "GET", status: 403 })
  const file = join(folder, "saved.plan")
  expect(await exitOf("plan", "--out", file)).toBe(2)
  const plain = start("apply")
  expect([await plain.ended, plain.stdout()]).toEqual([1, expect.stringMatching(/^\d+ waiting for a newer list/m)])
  const saved = start("apply", file)
  expect([await saved.ended, saved.stderr()]).toEqual([1, expect.stringContaining("the list is too old for")])
  expect(statSync(join(root("capstor"), reported)).mode & 0o777).toBe(0o700)
})

test("`run` completes orders, serves metrics and health, locks its roots, and exits with 0 on a signal", async () => {
  const { sandbox, start } = await aProgram()
  const running = start("run", "--port", "0")
  const url = await until("it listens", () => /"url":"([^"]+)"/.exec(running.stderr())?.[1])
  await until("all orders have ended", () =>
    sandbox.world.resources.every(({ state }) => state === "OK" || state === "Terminated" || state === "Erred"),
  )
  expect((await fetch(`${url}/health`)).status).toBe(200)
  expect(await (await fetch(`${url}/metrics`)).text()).toContain(
    'storage_provisioner_acts_total{act="done",outcome="done"}',
  )
  expect((await fetch(`${url}/other`)).status).toBe(404)
  const second = start("apply")
  expect([await second.ended, second.stderr()]).toEqual([1, expect.stringContaining("Another storage-provisioner")])
  expect(await running.stop()).toBe(0)
  // Each line of the log is JSON, and none contains the token.
  const lines = running.stderr().trim().split("\n")
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty("event")
  expect(running.stderr()).not.toContain(sandbox.waldur.actingToken)
})

test.each([
  ["drift", "SIGTERM", 143],
  ["plan", "SIGINT", 130],
  ["apply", "SIGTERM", 143],
  ["run", "SIGTERM", 0],
] as const)("`%s` that is ended by %s while it waits for the list exits with %i", async (command, signal, code) => {
  const { sandbox, start } = await aProgram()
  const slow = sandbox.faults.set("waldur", { latencyMs: 2000 })
  const child = start(command)
  await until("it waits for the list", () => slow.struck > 0)
  expect([await child.stop(signal), child.stdout()]).toEqual([code, ""])
})

test("`run` logs that the list cannot be read, that it can be read again, and that it stops", async () => {
  let proxyUrl: string | undefined
  const front = createServer(async (request, response) => {
    if (proxyUrl === undefined) return void response.writeHead(503).end()
    const { status, headers, body } = await fetch(`${proxyUrl}${request.url}`, {
      headers: { Accept: "application/x-ndjson" },
    })
    response.writeHead(status, Object.fromEntries(headers))
    if (body !== null) for await (const bytes of body) response.write(bytes)
    response.end()
  })
  await once(front.listen(0, "127.0.0.1"), "listening")
  onTestFinished(() => void front.close())
  const { port } = front.address() as AddressInfo
  const program = await aProgram({ proxy: { url: `http://127.0.0.1:${port}`, disable_auth: true } })
  const running = program.start("run")
  await until("the list fails", () => running.stderr().includes('"event":"list-failed"'))
  proxyUrl = program.proxyUrl
  await until("the list is read", () => running.stderr().includes('"event":"list-read"'))
  expect(await running.stop()).toBe(0)
  expect(JSON.parse(running.stderr().trim().split("\n").at(-1) ?? "")).toMatchObject({ event: "stopped" })
})

test("`run` logs an order that waits for space once a day, although the free space in its reason changes", async () => {
  const { sandbox, folder, start } = await aProgram({
    policy: { free_space: "wait" },
    poll_every: "1s",
    check_every: "1s",
  })
  const row = sandbox.world.resources.find(({ slug }) => slug === "capstor-climphys") ?? {}
  placeOrder(sandbox.world, row, {
    uuid: "0".repeat(32),
    type: "Update",
    state: "pending-provider",
    limits: { storage: 2_000_000 },
    attributes: { old_limits: row.limits ?? {} },
  })
  const running = start("run", "--port", "0")
  const url = await until("it listens", () => /"url":"([^"]+)"/.exec(running.stderr())?.[1])
  const alarms = () => running.stderr().match(/"needs-person".*more bytes were ordered/g) ?? []
  await until("it needs a person", () => alarms().length > 0)
  const cycles = async () => Number(/cycles_total (\d+)/.exec(await (await fetch(`${url}/metrics`)).text())?.[1])
  for (const file of ["one", "two"]) {
    const before = await cycles()
    writeFileSync(join(folder, file), Buffer.alloc(10_000_000))
    await until("another check", async () => (await cycles()) > before + 1)
  }
  expect(alarms()).toHaveLength(1)
})

test("`run` serves its health at an IPv6 address, and before the first cycle does not say that one has ended", async () => {
  const { sandbox, start } = await aProgram()
  sandbox.faults.set("waldur", { latencyMs: 2000 })
  const running = start("run", "--host", "::1", "--port", "0")
  const url = await until("it listens", () => /"url":"([^"]+)"/.exec(running.stderr())?.[1])
  expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/)
  expect(await (await fetch(`${url}/health`)).text()).toMatch(/^no cycle has ended since the start \d+ s ago$/m)
  const wrong = start("run", "--port", "70000")
  expect([await wrong.ended, wrong.stderr()]).toEqual([2, expect.stringContaining("Expected a port from 0 to 65535")])
})

test("`apply` completes its orders if the conditions cannot be written, and logs why; a file left by a crash is replaced", async () => {
  const { folder, start, hasDirectories } = await aProgram()
  const unfinished = join(folder, "state", "status.json.tmp")
  mkdirSync(unfinished, { recursive: true })
  const first = start("apply")
  expect(await first.ended).toBe(0)
  expect(hasDirectories()).toBe(true)
  expect(first.stderr()).toContain('"event":"status-failed"')
  rmSync(unfinished, { recursive: true })
  writeFileSync(unfinished, "half of it")
  const second = start("apply")
  expect(await second.ended).toBe(0)
  expect(second.stderr()).not.toContain("status-failed")
  expect(JSON.parse(readFileSync(join(folder, "state", "status.json"), "utf8"))).not.toEqual({})
})

test("a root that is missing stops only the commands for its storage system, with an error that names it", async () => {
  const { root, start, hasDirectories } = await aProgram()
  rmSync(root("vast"), { recursive: true })
  const all = start("apply")
  expect([await all.ended, all.stderr()]).toEqual([1, expect.stringContaining(root("vast"))])
  expect(all.stderr()).toContain("is the file system mounted?")
  expect(await start("apply", "--system", "capstor").ended).toBe(0)
  expect(hasDirectories()).toBe(true)
})

test("a saved plan is refused with other roots, another prefix or another driver, even if the same would be done there", async () => {
  const { folder, config, start, exitOf, hasDirectories, reports } = await aProgram()
  const file = join(folder, "saved.plan")
  expect(await exitOf("plan", "--out", file)).toBe(2)
  const settings = JSON.parse(readFileSync(config, "utf8"))
  const prefix = join(folder, "production")
  const roots = Object.fromEntries(
    Object.keys(settings.storage_systems).map((name) => {
      mkdirSync(join(prefix, name), { recursive: true })
      return [name, { driver: "directory", root: join(prefix, name) }]
    }),
  )
  writeFileSync(config, JSON.stringify({ ...settings, prefix, storage_systems: roots }))
  for (const more of [[], ["--dry-run"]]) {
    const applied = start("apply", file, ...more)
    expect([await applied.ended, applied.stderr()]).toEqual([
      1,
      expect.stringContaining("other roots, prefix or drivers"),
    ])
  }
  // Not even a trash, which would show that its root is mounted.
  expect(readdirSync(prefix, { recursive: true }).sort()).toEqual(Object.keys(roots).sort())
  expect([hasDirectories(), reports(), existsSync(join(folder, "state"))]).toEqual([false, [], false])
})

test.each([
  ["--system", "capstor"],
  ["--only", undefined],
] as const)(
  "with %s, conditions of what is no longer listed in that scope are gone, and those of other scopes stay",
  async (flag, system) => {
    const { folder, exitOf } = await aProgram()
    expect(await exitOf("apply")).toBe(0)
    const file = join(folder, "state", "status.json")
    const read = () => JSON.parse(readFileSync(file, "utf8")) as Record<string, { itemId: string; system: string }>
    const before = read()
    const [key, one] = Object.entries(before).find(([, { system }]) => system === "capstor") ?? []
    const [, other] = Object.entries(before).find(([, { system }]) => system === "vast") ?? []
    // As if its project had been renamed since.
    writeFileSync(file, JSON.stringify({ ...before, moved: one, unlisted: other }))
    await exitOf("apply", flag, system ?? one?.itemId ?? "")
    const after = read()
    expect(Object.keys(after).sort()).toEqual([...Object.keys(before), "unlisted"].sort())
    expect(after[key ?? ""]).toEqual(one)
  },
)

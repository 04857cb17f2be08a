/**
 * The whole loop over HTTP: customers order in the sandbox's Waldur, the proxy lists, the provisioner acts and reports. The
 * environment sets how much: LOOP_ORDERS, LOOP_KILLS, and LOOP_SEED to repeat a run.
 */
import { statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { until } from "@cscs/harness"
import { type Fault, type Random, random } from "@cscs/sandbox"
import type { StorageEntry } from "@cscs/storage-model"
import { expect, onTestFailed, test } from "vitest"
import { dashed, dataIn, listed, observer, onDisk, snapshot } from "./observer.ts"
import { customers } from "./orders.ts"
import { aSite, type Site, systems } from "./processes.ts"

const orders = Number(process.env.LOOP_ORDERS ?? 40)
const kills = Number(process.env.LOOP_KILLS ?? 10)
const seed = Number(process.env.LOOP_SEED ?? Date.now() % 1_000_000)
/** Milliseconds between two looks of the customers. */
const lookEvery = 50
/** The longest life of a process that is to be killed, in milliseconds after it has started. */
const longestLife = 1000
/** Milliseconds in which the loop comes to rest, on a busy machine. */
const restWithin = 120_000

/** Milliseconds for a test: a kill with its start takes a few seconds on a busy machine, an order one or two. */
const timeout = 300_000 + 10_000 * kills + 2000 * orders

const print = (text: string) => void process.stdout.write(`${text}\n`)

const orderPath = /\/marketplace-orders\/(\w+)\/(\w+)\/$/

/** Waldur and its network, as they fail: before the report has an effect, or after it. */
const faults: ReadonlyArray<Fault> = [
  { method: "POST", status: 503 },
  { method: "POST", status: 500, body: "html" },
  { method: "POST", status: 429, headers: { "Retry-After": "1" } },
  { method: "POST", reset: true },
  { method: "POST", hang: true },
  { method: "POST", rewrite: (answer) => ({ ...answer, status: 502 }) },
  { method: "GET", status: 502 },
  { method: "GET", reset: true },
]

/** Runs the provisioner up to a moment that the seed chooses, and kills it. */
const killedRun = async (site: Site, chance: Random, meanwhile: () => Promise<void>) => {
  const { sandbox } = site
  const child = site.provisioner("run")
  let isOver = false
  const kill = () => {
    isOver = true
    child.signal("SIGKILL")
  }
  const fails = chance.below(2) === 0
  if (fails) sandbox.faults.set("waldur", { ...chance.pick(faults), times: 1 + chance.below(3) })
  // At a moment of its own, or when Waldur has carried out a report whose response it never gets.
  const skip = chance.below(6)
  let reports = 0
  const rewrite: NonNullable<Fault["rewrite"]> = (answer) => {
    if (++reports > skip) kill()
    return answer
  }
  if (chance.below(3) > 0) sandbox.faults.set("waldur", { method: "POST", rewrite })
  const life = chance.below(longestLife)
  await until(
    "the provisioner has started",
    () => isOver || child.stderr().includes('"started"') || child.child.exitCode !== null,
  )
  const end = performance.now() + life
  while (!isOver && performance.now() < end) {
    await meanwhile()
    await pause(lookEvery)
  }
  kill()
  expect(await child.ended).toBe("SIGKILL")
  sandbox.faults.clear("waldur")
}

const loop = async ({ kills }: { readonly kills: number }) => {
  print(`LOOP_SEED=${seed} LOOP_ORDERS=${orders} LOOP_KILLS=${kills}`)
  // Not the numbers of the world, which would give the same UUIDs.
  const chance = random(~seed)
  const site = await aSite(seed)
  const { sandbox } = site
  const before = snapshot(site.outside)
  const watcher = observer(site)
  const shop = customers(site, chance, ({ uuid }) => watcher.inodes.has(dashed(uuid)))
  const strangers = new Map<string, unknown>()
  let left = orders
  const live = async (upTo: number) => {
    watcher.look(await listed(site, "cached").catch(() => []))
    for (let some = 1 + chance.below(6); some > 0 && left > upTo; some--) {
      if (shop.order()) left -= 1
    }
    for (const path of shop.foreign) {
      if (!strangers.has(path)) strangers.set(path, snapshot(join(site.root, path)))
    }
    shop.goOn()
  }
  for (let killed = 1; killed <= kills; killed++) {
    await killedRun(site, chance, () => live(orders - Math.ceil((orders * killed) / kills)))
    if (killed % 10 === 0) await site.restartProxy()
  }

  const child = site.provisioner("run")
  onTestFailed(() => print(`${child.stderr().slice(-4000)}\n${site.proxyLog().slice(-2000)}`))
  while (left > 0) {
    await live(0)
    await pause(lookEvery)
  }
  shop.finish()
  onTestFailed(() => {
    for (const { row, order, end } of shop.placed.values()) {
      if (order.state !== end.order)
        print(`${dashed(row.uuid)} ${row.state}: ${order.type} ${order.state}, not ${end.order}`)
    }
  })
  await until("every order has its end", () => shop.isSettled() || child.child.exitCode !== null, restWithin)
  // What was renamed at the end is moved without any order.
  const isThere = ({ itemId, mountPoint }: StorageEntry) => dataIn(join(site.root, mountPoint.default)) === itemId
  await until(
    "every directory is in its place",
    async () => {
      const entries = await listed(site, "no-cache")
      watcher.look(entries)
      return entries.filter(({ status }) => status === "active").every(isThere)
    },
    restWithin,
  )
  expect(await child.stop()).toBe(0)
  const plan = site.provisioner("plan")
  expect({ code: await plan.ended, stdout: plan.stdout() }).toEqual({ code: 0, stdout: plan.stdout() })

  // Waldur and the list agree.
  const entries = await listed(site, "no-cache")
  const active = entries.filter(({ status }) => status === "active")
  const inService = sandbox.world.resources.filter(({ state }) => state === "OK").map(({ uuid }) => dashed(uuid))
  expect(active.map(({ itemId }) => itemId).sort()).toEqual(inService.sort())
  const rows = new Map(sandbox.world.resources.map((row) => [dashed(row.uuid), row]))
  const hardOf = ({ quotas }: StorageEntry) =>
    quotas?.find(({ type, enforcementType }) => type === "space" && enforcementType === "hard")?.quota
  for (const entry of active) {
    const { limits, options } = rows.get(entry.itemId) as {
      limits: { storage: number }
      options: { hard_quota_space?: number }
    }
    if (entry.quotas !== null) expect(hardOf(entry)).toBe(options?.hard_quota_space ?? limits.storage)
  }

  // The list and the disk agree. What was erred may have come to a directory or not.
  const erred = new Set(entries.filter(({ status }) => status === "error").map(({ mountPoint }) => mountPoint.default))
  for (const { itemId, mountPoint, permission, target } of active) {
    const status = statSync(join(site.root, mountPoint.default))
    const gid =
      target.targetType === "project"
        ? target.targetItem.unixGid
        : target.targetType === "user"
          ? target.targetItem.primaryProject.unixGid
          : 0
    expect([status.mode & 0o7777, status.gid, status.ino]).toEqual([
      Number.parseInt(permission.value, 8),
      gid,
      watcher.inodes.get(itemId),
    ])
  }
  const removed = [...shop.placed.values()]
    .filter(({ row, order }) => row.state === "Terminated" && order.type === "Terminate")
    .map(({ row, order }) => `${dashed(row.uuid)}.${order.uuid}`)
  const trash = systems.flatMap((system) => onDisk(site, system).trash.map((name) => [system, name] as const))
  expect(trash.map(([, name]) => name.slice(0, name.lastIndexOf("."))).sort()).toEqual(removed.sort())
  for (const [system, name] of trash) {
    const [itemId = ""] = name.split(".")
    const path = join(site.root, system, ".cscs-trash", name)
    expect([dataIn(path), statSync(path).ino]).toEqual([itemId, watcher.inodes.get(itemId)])
  }
  const found = systems.map((system) => onDisk(site, system))
  expect(found.flatMap(({ strange }) => strange)).toEqual([])
  const places = new Set(active.map(({ mountPoint }) => mountPoint.default))
  const unexpected = found
    .flatMap(({ entries }) => entries)
    .filter((path) => !places.has(path) && !erred.has(path) && !shop.foreign.includes(path))
  expect(unexpected).toEqual([])

  // Nothing of others was touched, and nothing reported twice: Waldur refuses what has ended.
  expect(snapshot(site.outside)).toEqual(before)
  for (const [path, was] of strangers) expect(snapshot(join(site.root, path))).toEqual(was)
  const refused = sandbox.calls.of("waldur").flatMap(({ method, path, status }) => {
    const [, uuid = "", action] = orderPath.exec(path) ?? []
    return method === "POST" && status === 409 && shop.placed.get(uuid)?.end.order !== "erred"
      ? [`${action} ${uuid}`]
      : []
  })
  expect(refused).toEqual([])
  print([...shop.counts].map(([kind, count]) => `${count} ${kind}`).join("; "))
}

test("after many orders of all kinds, Waldur, the list and the disk agree", { timeout }, () => loop({ kills: 0 }))

test("they agree although the provisioner was killed at any moment and Waldur failed", { timeout }, () =>
  loop({ kills }),
)

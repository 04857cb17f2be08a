/**
 * The whole loop over HTTP: customers order in the sandbox's Waldur, the proxy lists, the provisioner acts and reports, and both
 * are killed. The environment sets how much: LOOP_ORDERS, LOOP_KILLS, LOOP_SEED to repeat a run, and LOOP_MAIN, the path of a built
 * provisioner.
 */
import { readdirSync, readFileSync, statSync, watch } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { until } from "@cscs/harness"
import { type Fault, type Random, random } from "@cscs/sandbox"
import type { StorageEntry } from "@cscs/storage-model"
import { expect, test } from "vitest"
import { dashed, dataIn, listed, observer, onDisk, snapshot } from "./observer.ts"
import { customers } from "./orders.ts"
import { aSite, type Site, systems } from "./processes.ts"

const orders = Number(process.env.LOOP_ORDERS ?? 30)
const kills = Number(process.env.LOOP_KILLS ?? 8)
const seed = Number(process.env.LOOP_SEED ?? Date.now() % 1_000_000)
/** The proxy is killed once per this many runs of the provisioner. */
const proxyKilledEvery = 4
/** Milliseconds between two looks of the customers. */
const lookEvery = 50
/** The longest life of a process, in milliseconds, after which it is killed on the next occasion. */
const maxLife = 4000
/** Milliseconds to wait for an occasion. */
const maxWait = 1000
/** Milliseconds without any progress after which the loop has stalled, also on a busy machine. */
const stallAfter = 120_000

/** Milliseconds for a test: a kill with its start takes a few seconds on a busy machine, an order one or two. */
const timeout = 300_000 + 20_000 * kills + 5000 * orders

const print = (text: string) => void process.stdout.write(`${Math.round(performance.now() / 1000)} s: ${text}\n`)

const orderPath = /\/marketplace-orders\/(\w+)\/(\w+)\/$/

/** Failures of Waldur and its network: before the report has an effect, or after it. */
const faults: ReadonlyArray<Fault> = [
  { method: "POST", status: 503 },
  { method: "POST", status: 500, body: "html" },
  { method: "POST", status: 429, headers: { "Retry-After": "1" } },
  { method: "POST", reset: true },
  { method: "POST", hang: true },
  { method: "POST", rewrite: (response) => ({ ...response, status: 502 }) },
  { method: "GET", status: 502 },
  { method: "GET", reset: true },
  { method: "GET", hang: true },
]

/** Resolves as `until`; fails with the situation of the site. */
const reached = async (site: Site, what: string, look: Parameters<typeof until>[1], within = stallAfter) => {
  try {
    await until(what, look, within)
  } catch (error) {
    throw new Error(`${error}\n${await site.situation()}`, { cause: error })
  }
}

/** The acts that have begun and not ended, according to the journal from this byte on. */
const interruptedIn = ({ journal }: Site, from: number): ReadonlyArray<string> => {
  const intents = new Map<string, string | undefined>()
  for (const line of readFileSync(journal).subarray(from).toString().split("\n").slice(0, -1)) {
    const { item, record } = JSON.parse(line) as { item: string; record: { intent?: string } }
    intents.set(item, record.intent)
  }
  return [...intents.values()].filter((intent) => intent !== undefined)
}

/** Runs the provisioner up to a moment that the seed chooses, and kills it. Returns the acts that it interrupted. */
const killedRun = async (site: Site, chance: Random, killsProxy: boolean, meanwhile: () => Promise<void>) => {
  const { sandbox } = site
  const child = site.provisioner("run")
  const life = chance.below(maxLife)
  const occasion = chance.pick(["none", "report", "journal"])
  let isOver = false
  let isArmed = false
  const kill = () => {
    isOver = true
    child.signal("SIGKILL")
  }
  const fails = chance.below(2) === 0
  if (fails) sandbox.faults.set("waldur", { ...chance.pick(faults), times: 1 + chance.below(3) })
  // When Waldur has carried out a report whose response the provisioner never gets.
  const rewrite: NonNullable<Fault["rewrite"]> = (response) => {
    if (isArmed) kill()
    return response
  }
  if (occasion === "report") sandbox.faults.set("waldur", { method: "POST", rewrite })
  const hasStarted = () => child.stderr().includes('"started"') || child.child.exitCode !== null
  await reached(site, "the provisioner has started", hasStarted)
  const { size } = statSync(site.journal)
  // When an intent, or an outcome, has just been written.
  const journal = watch(site.journal, () => {
    if (isArmed && occasion === "journal") kill()
  })
  const start = performance.now()
  const restart = killsProxy ? pause(chance.below(life)).then(site.restartProxy) : undefined
  for (const end = start + life + maxWait; !isOver && performance.now() < end; ) {
    await meanwhile()
    await pause(lookEvery)
    isArmed = performance.now() > start + life
    if (isArmed && occasion === "none") break
  }
  kill()
  journal.close()
  expect([await child.ended, child.stderr().includes("internal error")]).toEqual(["SIGKILL", false])
  sandbox.faults.clear("waldur")
  await restart
  return interruptedIn(site, size)
}

test("after many orders of all kinds, and kills at any moment while Waldur fails, Waldur, the list and the disk agree", {
  timeout,
}, async () => {
  print(`LOOP_SEED=${seed} LOOP_ORDERS=${orders} LOOP_KILLS=${kills}`)
  // Not the seed of the world, which would give the same UUIDs.
  const chance = random(~seed)
  const site = await aSite(seed)
  const { sandbox } = site
  const before = snapshot(site.outside)
  const watcher = observer(site)
  const shop = customers(site, chance, ({ uuid }) => watcher.inodes.has(dashed(uuid)))
  const foreignBefore = new Map<string, unknown>()
  let left = orders
  const live = async (upTo: number) => {
    watcher.look(await listed(site, "cached").catch(() => []))
    for (let some = 1 + chance.below(6); some > 0 && left > upTo; some--) {
      if (shop.order()) left -= 1
    }
    for (const path of shop.foreign) {
      if (!foreignBefore.has(path)) foreignBefore.set(path, snapshot(join(site.root, path)))
    }
    shop.goOn()
  }
  const interrupted = new Map<string, number>()
  for (let killed = 1; killed <= kills; killed++) {
    const upTo = orders - Math.ceil((orders * killed) / kills)
    const acts = await killedRun(site, chance, killed % proxyKilledEvery === 0, () => live(upTo))
    if (killed % 20 === 0) print(`${killed} kills, ${orders - left} orders`)
    for (const act of acts.length === 0 ? ["nothing"] : acts) interrupted.set(act, (interrupted.get(act) ?? 0) + 1)
  }
  print(`killed in the middle of ${[...interrupted].map(([act, count]) => `${act} ${count}`).join(", ")}`)

  const child = site.provisioner("run")
  for (let [moved, since] = ["", performance.now()]; left > 0 || shop.unsettled().length > 0; await pause(lookEvery)) {
    await live(0)
    if (left === 0) shop.finish()
    const now = `${left} orders are not placed; not settled:\n${shop.unsettled().join("\n")}`
    if (now !== moved) [moved, since] = [now, performance.now()]
    const hasEnded = child.child.exitCode !== null
    if (hasEnded || performance.now() - since > stallAfter)
      throw new Error(
        `${hasEnded ? "The provisioner has ended" : "Orders have stalled"}. ${now}\n${await site.situation()}`,
      )
  }
  print("every order has ended")
  // Directories of projects that were renamed last are moved without an order.
  const isThere = ({ itemId, mountPoint }: StorageEntry) => dataIn(join(site.root, mountPoint.default)) === itemId
  await reached(site, "every directory is in its place", async () => {
    const entries = await listed(site, "no-cache")
    watcher.look(entries)
    return entries.filter(({ status }) => status === "active").every(isThere)
  })
  // The next cycle sees what changed or was renamed last.
  let plan = ""
  await reached(site, "nothing is left to do", async () => {
    const looking = site.provisioner("plan")
    const code = await looking.ended
    plan = looking.stdout()
    return code === 0
  })
  expect(await child.stop()).toBe(0)

  // Only foreign directories at mount points need an operator.
  const alarms = plan.match(/^! [^:]+/gm) ?? []
  expect(alarms.map((line) => line.slice(2)).sort()).toEqual(shop.foreign.toSorted())

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

  // The list and the disk agree. An erred order may or may not have made a directory.
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
  // A creation that was killed, and then erred by an operator, leaves a hidden, empty directory.
  const begun = (path: string) =>
    readdirSync(join(site.root, path)).length === 0 &&
    entries.some(({ itemId, status }) => status === "error" && path.endsWith(`/.new-${itemId}`))
  expect(found.flatMap(({ unexpected }) => unexpected).filter((path) => !begun(path))).toEqual([])
  const places = new Set(active.map(({ mountPoint }) => mountPoint.default))
  const unexpected = found
    .flatMap(({ entries }) => entries)
    .filter((path) => !places.has(path) && !erred.has(path) && !shop.foreign.includes(path))
  expect(unexpected).toEqual([])

  // No foreign data was touched, and nothing was reported twice: Waldur refuses reports on orders that have ended.
  expect(snapshot(site.outside)).toEqual(before)
  for (const [path, was] of foreignBefore) expect(snapshot(join(site.root, path))).toEqual(was)
  const refused = sandbox.calls.of("waldur").flatMap(({ method, path, status }) => {
    const [, uuid = "", action] = orderPath.exec(path) ?? []
    return method === "POST" && status === 409 && shop.placed.get(uuid)?.end.order !== "erred"
      ? [`${action} ${uuid}`]
      : []
  })
  expect(refused).toEqual([])
  print([...shop.counts].map(([kind, count]) => `${count} ${kind}`).join("; "))
})

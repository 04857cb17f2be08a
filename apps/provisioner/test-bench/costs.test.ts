/** Measures and prints the figures of docs/provisioning.md. For a machine that does nothing else. */
import { statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { until } from "@cscs/harness"
import { addResource, random, type WaldurRecord } from "@cscs/sandbox"
import { test } from "vitest"
import { anEntry, itemId } from "../test/an-entry.ts"
import { aSite as aFolder } from "../test/loop/a-site.ts"
import { aSite } from "../test-loop/processes.ts"

const directories = Number(process.env.DIRECTORIES ?? 5000)
const orders = 20
/** Seconds. */
const pollEvery = 10
/** What must hold on a machine that does nothing else, in milliseconds elapsed. */
const targets = { check: 5000, order: (pollEvery + 1) * 1000 }

const print = (text: string) => void process.stdout.write(`${text}\n`)
const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`
const comparedWith = (milliseconds: number, target: number) =>
  `target ${seconds(target)}: ${milliseconds < target ? "met" : "MISSED"}`

test(`${directories} directories of the driver \`directory\` are made, checked, and then left unchanged`, async () => {
  const site = aFolder()
  const entries = Array.from({ length: directories }, (_, number) =>
    anEntry({ itemId: itemId(number), path: `/capstor/store/cscs/ethz/${number}` }),
  )
  for (const [names, checkEvery] of [
    [["made", "checked"], 0],
    [["checked, after a start", "unchanged"], 3_600_000],
  ] as const) {
    let start = performance.now()
    let before = process.cpuUsage()
    let number = 0
    const onCycle = () => {
      const { user, system } = process.cpuUsage(before)
      const elapsed = performance.now() - start
      const name = names[number++] ?? ""
      const verdict = name.startsWith("checked") ? `; ${comparedWith(elapsed, targets.check)}` : ""
      const processor = seconds((user + system) / 1000)
      print(`${directories} directories ${name}: elapsed ${seconds(elapsed)}, processor ${processor}${verdict}`)
      start = performance.now()
      before = process.cpuUsage()
    }
    await site.session({ settings: { checkEvery }, onCycle })([entries, entries])
  }
})

test("an approved order is carried out on the disk", async () => {
  // Not the numbers of the world, which would give the same UUIDs.
  const chance = random(~1)
  const site = await aSite(1, { settings: { poll_every: pollEvery } })
  const { world } = site.sandbox
  const like = world.resources.find(
    ({ offering_slug: system, attributes }) =>
      system === "capstor" && (attributes as WaldurRecord).storage_data_type === "store",
  )
  if (like === undefined) throw new Error("no resource of capstor's store")
  const child = site.provisioner("run")
  await until("the provisioner has started", () => child.stderr().includes('"act":"create"'))
  const took = { "approved by another": [] as Array<number>, "approved by the provisioner": [] as Array<number> }
  const ordered = Array.from({ length: orders }, async (_, number) => {
    const state = number % 2 === 0 ? "executing" : "pending-provider"
    await pause(chance.below(4 * pollEvery * 1000))
    const project = `bench${number}`
    world.gids.set(project, 60_000 + number)
    const row = addResource(world, like, chance, `bench-${number}`, state)
    Object.assign(row, { project_slug: project, project_name: project, backend_id: "" })
    const order = row.order_in_progress as WaldurRecord
    await until("the order is approved", () => order.state !== "pending-provider")
    const approved = performance.now()
    const path = join(site.root, `/capstor/store/${row.provider_slug}/${row.customer_slug}/${project}`)
    // Not the claim that precedes it, which has none of these bits.
    await until("the directory is there", () => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777) !== 0)
    took[number % 2 === 0 ? "approved by another" : "approved by the provisioner"].push(performance.now() - approved)
  })
  await Promise.all(ordered)
  for (const [how, times] of Object.entries(took)) {
    const sorted = times.toSorted((one, other) => one - other)
    const longest = sorted.at(-1) ?? 0
    const median = seconds(sorted[sorted.length >> 1] ?? 0)
    print(
      `poll_every ${pollEvery} s, ${how}: median ${median}, at most ${seconds(longest)}; ${comparedWith(longest, targets.order)}`,
    )
  }
})

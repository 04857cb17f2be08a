/** How long it takes until a change in Waldur is in the responses, while a caller polls continuously. */
import { type Bench, near, withProxy } from "./bench-context.ts"
import { median, seconds, whole } from "./figures.ts"
import type { BenchedProxy } from "./proxy-process.ts"
import type { ChangeKind } from "./sandbox-process.ts"
import { type Findings, type Target, target } from "./section.ts"
import { ask, bodyOf, listPath } from "./storage-list.ts"

export const changesHead = ["resources", "change", "times", "median", "longest", "longest refresh meanwhile"] as const

const kinds: ReadonlyArray<readonly [ChangeKind, string]> = [
  ["recover", "an erred resource without an order is set to OK"],
  ["options", "a resource gets other quotas"],
  ["finish-update", "an order to update is done"],
  ["finish-removal", "an order to terminate is done"],
  ["vanish", "a resource is in Waldur's list no more"],
]

const freshForMs = 1000
/** One poll of the page, and one tick of the timer that begins a refresh. */
const lookingMs = 250
/** Longer than any acceptable time. */
const giveUpMs = 120_000

export const measureChanges = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox, effort, say } = bench
  const size = whole(resources)
  await sandbox.ask("distance", near)
  return withProxy(bench, { CACHE_FRESH_FOR: "1s" }, async (running) => {
    const rows: Array<ReadonlyArray<string>> = []
    const targets: Array<Target> = []
    for (const [kind, name] of kinds) {
      const before = running.snapshots.length
      const took: Array<number> = []
      for (const uuid of await sandbox.ask("pick", { kind, count: effort.changes })) {
        took.push(await untilSeen(bench, running, kind, uuid))
      }
      if (took.length === 0) {
        rows.push([size, name, "none in this world"])
        continue
      }
      const longestRefresh = Math.max(0, ...running.snapshots.slice(before).map(({ milliseconds }) => milliseconds))
      const longest = Math.max(...took)
      say(`  ${kind}: seen after ${seconds(median(took))}, at most ${seconds(longest)}`)
      rows.push([size, name, whole(took.length), seconds(median(took)), seconds(longest), seconds(longestRefresh)])
      targets.push(
        target(
          `${size} resources, ${name}: seen within \`fresh_for\` (1 s) and one refresh`,
          longest <= freshForMs + longestRefresh + lookingMs,
          `${seconds(longest)}, a refresh took up to ${seconds(longestRefresh)}`,
        ),
      )
    }
    return { rows, targets }
  })
}

/** Milliseconds from the change until the entry differs. */
const untilSeen = async (
  { sandbox }: Bench,
  { url: origin }: BenchedProxy,
  kind: ChangeKind,
  uuid: string,
): Promise<number> => {
  const dashed = uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
  const { url, entry } = await pageWith(origin, dashed)
  const begin = performance.now()
  await sandbox.ask("perform", { kind, uuid })
  while (performance.now() - begin < giveUpMs) {
    if ((await entryIn(url, dashed)) !== entry) return performance.now() - begin
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${kind} of ${dashed} is not seen after ${seconds(giveUpMs)}`)
}

/** The entry as a text; empty if it is not on the page. */
const entryIn = async (url: string, itemId: string): Promise<string> => {
  const answer = await ask(url)
  if (answer.status !== 200) throw new Error(`${url} returned ${answer.status}`)
  const entry = bodyOf(answer).resources.find((one) => one.itemId === itemId)
  return entry === undefined ? "" : JSON.stringify(entry)
}

/** The page with an entry, found again by its number, since a link may name a snapshot. */
const pageWith = async (origin: string, itemId: string): Promise<{ url: string; entry: string }> => {
  for (let page = 1, pages = 1; page <= pages; page++) {
    const url = `${origin}${listPath}?page_size=500&page=${page}`
    const answer = await ask(url)
    pages = bodyOf(answer).pagination.pages
    const entry = await entryIn(url, itemId)
    if (entry !== "") return { url, entry }
  }
  throw new Error(`No entry ${itemId}`)
}

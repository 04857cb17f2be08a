/** The time from start to first response, compared with a plain reader of the same pages. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { watch } from "@cscs/harness"
import { type Bench, freshForLong } from "./bench-context.ts"
import { median, milliseconds, oneDecimal, seconds, times, whole } from "./figures.ts"
import { startBenchedProxy } from "./proxy-process.ts"
import type { AskedList, Distance } from "./sandbox-process.ts"
import { type Findings, target } from "./section.ts"
import { firstAnswer, pageOf100 } from "./storage-list.ts"
import { orderedQuery } from "./upstream-calls.ts"

export const firstAnswerHead = [
  "resources",
  "Waldur",
  "first answer",
  "plain read",
  "ratio",
  "first snapshot (log)",
  "plain read without process start",
  "plain read, one list with all fields",
  "starts",
] as const

/** Medians, in milliseconds. */
export interface FirstAnswer {
  readonly resources: number
  readonly distance: string
  readonly fromSpawn: number
  readonly inProcess: number
}

const nameOf = ({ latencyMs, realPace }: Distance): string => (realPace ? "at a real Waldur's pace" : `${latencyMs} ms`)

interface Took {
  readonly fromSpawn: number
  readonly inProcess: number
  readonly bytes: number
}

export const measureFirstAnswer = async (
  bench: Bench,
  distance: Distance,
): Promise<Findings & { readonly medians: FirstAnswer }> => {
  const { resources, sandbox, effort, say } = bench
  const name = nameOf(distance)
  await sandbox.ask("distance", distance)
  const reader = readPlainly(bench)

  // The first start shows which lists the proxy walks, and warms the sandbox's code and the disk's cache for both.
  await sandbox.ask("clear", null)
  await coldStart(bench)
  const lists = await sandbox.ask("lists", null)
  await reader(lists)
  const asked = sum(lists.map(({ bytes }) => bytes))

  const ours: Array<Took> = []
  const plain: Array<Took> = []
  const starts = effort.coldStarts(resources)
  for (let round = 0; round < starts; round++) {
    ours.push(await coldStart(bench))
    plain.push(await reader(lists))
  }
  if (plain.some(({ bytes }) => bytes !== asked)) {
    throw new Error(`The plain reader read ${plain.map(({ bytes }) => bytes)} bytes, the proxy ${asked}`)
  }
  // The naive approach: without separate requests for resources with an order.
  const oneList = distance.realPace ? await reader(withoutOrderedLists(lists)) : undefined
  const middle = (all: ReadonlyArray<Took>, of: "fromSpawn" | "inProcess") => median(all.map((took) => took[of]))
  const first = middle(ours, "fromSpawn")
  const read = middle(plain, "fromSpawn")
  // The median of the ratios of neighbouring pairs: a slow minute of the machine affects both.
  const ratio = median(ours.map((took, index) => took.fromSpawn / (plain[index]?.fromSpawn ?? Number.NaN)))
  say(`  first answer ${seconds(first)}, plain read ${seconds(read)}`)

  const targets = []
  if (resources === 5000 && distance.latencyMs === 40) {
    targets.push(
      target("5,000 resources, Waldur at 40 ms: first answer at most 3 times the plain read", ratio <= 3, times(ratio)),
    )
  }
  if (resources === 5000 && oneList !== undefined) {
    targets.push(
      target(
        "5,000 resources, at a real Waldur's pace: first answer no later than the trimmed read of one list",
        first <= oneList.fromSpawn,
        `${seconds(first)}, ${seconds(oneList.fromSpawn)}`,
      ),
    )
  }
  return {
    rows: [
      [
        whole(resources),
        name,
        seconds(first),
        seconds(read),
        times(ratio),
        milliseconds(middle(ours, "inProcess")),
        milliseconds(middle(plain, "inProcess")),
        oneList === undefined ? "" : seconds(oneList.fromSpawn),
        String(starts),
      ],
    ],
    targets,
    medians: { resources, distance: name, fromSpawn: first, inProcess: middle(ours, "inProcess") },
  }
}

const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)

const coldStart = async ({ proxy, folder, environment }: Bench): Promise<Took> => {
  const running = await startBenchedProxy({ main: proxy.main, folder, environment, settings: freshForLong })
  try {
    const answer = await firstAnswer(`${running.url}${pageOf100}`)
    const fromSpawn = performance.now() - running.spawnedAt
    return { fromSpawn, inProcess: running.snapshots[0]?.milliseconds ?? Number.NaN, bytes: answer.body.length }
  } finally {
    await running.stop()
  }
}

/** The lists of resources, with the field that the list of orders exists for. */
const withoutOrderedLists = (lists: ReadonlyArray<AskedList>): ReadonlyArray<AskedList> =>
  lists
    .filter(({ query }) => !orderedQuery(new URLSearchParams(query)))
    .map((list) =>
      list.path.endsWith("/marketplace-provider-resources/") && !list.query.includes("order_in_progress")
        ? { ...list, query: `${list.query}&field=order_in_progress` }
        : list,
    )

const plainReader = fileURLToPath(new URL("plain-read.mjs", import.meta.url))

const readPlainly =
  ({ environment }: Bench) =>
  async (lists: ReadonlyArray<AskedList>): Promise<Took> => {
    const { origin } = new URL(environment.WALDUR_API_URL ?? "")
    const task = JSON.stringify({ origin, token: environment.WALDUR_API_TOKEN, lists })
    const spawnedAt = performance.now()
    const child = watch(
      spawn(process.execPath, [plainReader, task], {
        stdio: ["ignore", "pipe", "inherit"],
        env: { PATH: process.env.PATH, NODE_ENV: "production" },
      }),
    )
    let said = ""
    let saidAt = 0
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      saidAt = performance.now()
      said += text
    })
    const [code] = await once(child, "close")
    if (code !== 0) throw new Error(`plain-read.mjs ended with ${code}`)
    const { bytes, milliseconds } = JSON.parse(said) as { bytes: number; milliseconds: number }
    return { fromSpawn: saidAt - spawnedAt, inProcess: milliseconds, bytes }
  }
/** How the first response scales with the number of resources: a hundredfold in at most 110 times the time. */
export const growth = (all: ReadonlyArray<FirstAnswer>): Findings => {
  const rows = all.flatMap((small) =>
    all
      .filter(({ resources, distance }) => distance === small.distance && resources === small.resources * 100)
      .map((large) => ({ small, large, ratio: large.fromSpawn / small.fromSpawn })),
  )
  return {
    rows: rows.map(({ small, large, ratio }) => [
      `${whole(small.resources)} to ${whole(large.resources)}`,
      small.distance,
      seconds(small.fromSpawn),
      seconds(large.fromSpawn),
      oneDecimal(ratio),
      oneDecimal(large.inProcess / small.inProcess),
    ]),
    targets: rows.map(({ small, large, ratio }) =>
      target(
        `${whole(large.resources)} resources, Waldur at ${small.distance}: first answer in at most 110 times that of ${whole(small.resources)}`,
        ratio <= 110,
        oneDecimal(ratio),
      ),
    ),
  }
}

/**
 * Sends all kinds of requests to a proxy while its upstreams change and fail at random, and checks every response
 * against the history of the sandbox's world.
 *
 * Usage: `pnpm soak [--seconds 300] [--seed N]`. The proxy is built as for the image.
 *
 * Exit code 1 if a response was wrong, the log shows a fault, or memory grew. The same seed gives the same
 * events; their order relative to the proxy's own work depends on the machine. Needs Linux.
 */
import { join } from "node:path"
import { parseArgs } from "node:util"
import {
  buildProxy,
  hasEnded,
  imageEnvironment,
  memoryOf,
  sandboxEnvironment,
  scratchFolder,
  startProxy,
  until,
} from "@cscs/harness"
import { historyOf, oracleOf } from "@cscs/oracle"
import { buildWorld, startSandbox } from "@cscs/sandbox"
import { chanceOf } from "./chance.ts"
import { type Checker, checkerOf, type Kept } from "./checker.ts"
import { type Client, clientOf, listPath } from "./client.ts"
import type { Counts } from "./counts.ts"
import { faultInjection } from "./fault-injection.ts"
import { call, linesIn } from "./load.ts"
import { logReader } from "./log-reader.ts"
import { mutateWorld } from "./mutations.ts"
import * as pace from "./pace.ts"
import { pause } from "./pause.ts"
import { growthInSecondHalf, memoryFault } from "./vital-signs.ts"

const callers = 8
const resources = 300
/** The maximum number of faulty log lines, and of wrong responses, that are printed in full. */
const shownFaults = 10

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
})
const wholeNumber = (name: keyof typeof values, least: number): number => {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new Error(`--${name}: ${JSON.stringify(values[name])} is not a whole number of at least ${least}`)
}

const soak = async (): Promise<ReadonlyArray<string>> => {
  const seconds = wholeNumber("seconds", 20)
  const seed = wholeNumber("seed", 0)
  console.log(`pnpm soak --seconds ${seconds} --seed ${seed}`)
  const folder = scratchFolder("soak")

  const sandbox = await startSandbox({ world: buildWorld({ resources, seed, edgeCases: false }), logCalls: false })
  // Tokens expire while the soak runs.
  sandbox.issuer.settings.expiresIn = 20
  const history = historyOf(sandbox.world)
  const injection = faultInjection(sandbox, chanceOf(seed, "faults"))
  const { wasFailing } = injection
  const oracle = oracleOf({
    history,
    api: sandbox.waldur.url,
    fullRefreshEvery: pace.fullRefreshEvery,
    retryGidAfter: pace.retryGidAfter,
    wasFailing: ({ from, to }) => wasFailing({ from: from - pace.calmAfter, to }, ["hpcUserApi", "issuer"]),
  })
  const log = logReader(sandbox)
  const environment = { ...(await imageEnvironment()), ...sandboxEnvironment(sandbox), ...pace.settings }
  const main = await buildProxy(join(folder, "deployed"))
  const proxy = await startProxy({ main, directory: folder, environment, onLine: log.read })
  const client = clientOf(proxy.url)
  // The proxy has no list yet, so this waits for the first one.
  const first = await client.send({ path: listPath })
  if (first.status !== 200) throw new Error(`The first response is ${first.status}: ${first.body.toString()}`)

  const firstRead = (Number(first.header("age")) + 1) * 1000
  const begun = performance.now()
  const checker = checkerOf({ history, oracle, wasFailing, guardedSince: log.guardedSince, firstRead, begun })
  const happened: Counts = new Map()
  const shared = { client, checker, kept: [] as Kept[] }

  const isOver = new AbortController()
  const samples: Array<number> = []
  const clock = setInterval(() => {
    const at = Math.round((performance.now() - begun) / 1000)
    if (hasEnded(proxy.child)) return isOver.abort()
    samples.push(memoryOf(proxy.pid).rss)
    if (at % 10 === 0) console.log(`${at} s, wrong responses: ${checker.wrongs.length}`, checker.statuses)
    if (at >= seconds) isOver.abort()
  }, 1000)
  const isCalmFor = (milliseconds: number) =>
    !wasFailing({ from: performance.now() - milliseconds, to: performance.now() }, ["waldur"])
  const world = { sandbox, history, isCalmFor, counts: happened, chance: chanceOf(seed, "world") }
  await Promise.all([
    mutateWorld(world, isOver.signal),
    injection.change(isOver.signal),
    ...Array.from({ length: callers }, (_, number) =>
      call({ ...shared, chance: chanceOf(seed, `caller ${number}`) }, isOver.signal),
    ),
  ])
  clearInterval(clock)

  const faults: Array<string> = []
  if (hasEnded(proxy.child)) faults.push("the proxy has ended")
  else await catchUp(client, checker)
  await proxy.stop()
  await sandbox.close()

  const rss = samples.map(Math.round)
  console.log({
    statuses: checker.statuses,
    checked: checker.checks,
    mutations: happened,
    "requests with an injected fault": injection.struck,
    log: log.events,
    "age of the oldest list, s": checker.oldest(),
    "memory, MB": { start: rss[0], end: rss.at(-1), most: Math.max(...rss), growth: growthInSecondHalf(samples) },
  })
  const memory = memoryFault(samples)
  if (memory !== undefined) faults.push(memory)
  for (const { why, line } of log.faulty.slice(0, shownFaults)) faults.push(`${why}: ${line}`)
  for (const wrong of checker.wrongs.slice(0, shownFaults)) faults.push(JSON.stringify(wrong, null, 2))
  if (checker.wrongs.length > shownFaults) faults.push(`${checker.wrongs.length} wrong responses in total`)
  return faults
}

/** Checks that the current data is served soon once no upstream fails and nothing changes. */
const catchUp = async (client: Client, checker: Checker): Promise<void> => {
  const since = performance.now()
  const isCurrent = async () => {
    await pause(200)
    const reply = await client.send({ path: listPath, headers: { Accept: "application/x-ndjson" } })
    // An error response has no Age.
    if (reply.status !== 200) return false
    const window = checker.windowOf(reply)
    if (window.from > since) checker.list(reply, window, linesIn(checker, reply, {}))
    return window.from > since
  }
  await until("a new list while no upstream fails", isCurrent, pace.calmAfter * 2).catch((error: Error) =>
    checker.wrong(undefined, error.message),
  )
}

const faults = await soak()
for (const fault of faults) console.log(`WRONG ${fault}`)
if (faults.length === 0) console.log("Nothing is wrong.")
process.exit(faults.length === 0 ? 0 : 1)

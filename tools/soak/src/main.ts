#!/usr/bin/env node
/**
 * Sends all kinds of requests to a proxy while its upstreams change and fail at random, and checks every response
 * against the history of the sandbox's world.
 *
 * Usage: `pnpm soak [--seconds 300] [--seed N] [--resources 300] [--main FILE]`
 *
 * Exit code 1 if a response was wrong, the log shows a fault, or memory or sockets grew. The same seed gives the same
 * events; their order relative to the proxy's own work depends on the machine.
 */
import { join } from "node:path"
import { buildProxy, hasEnded, scratchFolder } from "@cscs/harness"
import { historyOf, oracleOf } from "@cscs/oracle"
import { buildWorld, startSandbox } from "@cscs/sandbox"
import { type Asker, askerOf, listPath } from "./asking.ts"
import { chanceOf } from "./chance.ts"
import { type Checker, checkerOf, type Kept } from "./checker.ts"
import { faultInjection } from "./fault-injection.ts"
import { call } from "./load.ts"
import { logReader, secretsIn } from "./log-reader.ts"
import { type Counts, mutateWorld } from "./mutations.ts"
import { type Options, readOptions, usage } from "./options.ts"
import { askAgainAfter, calmAfter, fullRefreshEvery, keepWarmFor } from "./pace.ts"
import { pause } from "./pause.ts"
import { startSoakedProxy } from "./proxy.ts"
import { progress, summary, wrongResponses } from "./report.ts"
import {
  canBeMeasured,
  connectionsOf,
  growthInSecondHalf,
  memoryFault,
  residentMemory,
  type Sample,
} from "./vital-signs.ts"

const folder = scratchFolder("soak")
const callers = 8
const say = (text: string) => console.log(text)
const never = new AbortController().signal

const soak = async ({ seconds, seed, resources, main }: Options): Promise<boolean> => {
  const repeat = `pnpm soak --seconds ${seconds} --seed ${seed} --resources ${resources}`
  say(`Seed ${seed}; again: ${repeat}`)
  if (!canBeMeasured) say("There is no /proc here: memory and sockets are not checked.")
  const built = main ?? (await buildProxy(join(folder, "deployed"))).main

  const sandbox = await startSandbox({ world: buildWorld({ resources, seed, edgeCases: false }), logCalls: false })
  // Its tokens expire while the soak runs.
  sandbox.issuer.settings.expiresIn = 20
  const history = historyOf(sandbox.world)
  const injection = faultInjection(sandbox, chanceOf(seed, "faults"), seconds)
  const { wasFailing } = injection
  const oracle = oracleOf({
    history,
    api: sandbox.waldur.url,
    fullRefreshEvery,
    askAgainAfter,
    wasFailing: ({ from, to }) => wasFailing({ from: from - calmAfter, to }, ["hpcUserApi", "issuer"]),
  })
  const log = logReader(sandbox)
  const proxy = await startSoakedProxy({ main: built, folder, sandbox, onLine: log.read })
  const connectionsAtStart = canBeMeasured ? connectionsOf(proxy.pid).length : 0
  const asker = askerOf(proxy.url)
  // No list is held yet, so it comes with the first one.
  const first = await asker.ask({ path: listPath })
  if (first.status !== 200) throw new Error(`The first response is ${first.status}: ${first.body.toString()}`)
  const rssAtStart = canBeMeasured ? residentMemory(proxy.pid) : 0

  const firstRead = (Number(first.header("age")) + 1) * 1000
  const begun = performance.now()
  const checker = checkerOf({ history, oracle, wasFailing, log, firstRead, begun })
  const happened: Counts = new Map()
  const kept: Array<Kept> = []
  let metrics = ""
  const holdsSecret = secretsIn(sandbox)
  const onMetrics = (text: string) => {
    metrics = text
  }
  const caller = (number: number) => ({
    asker,
    history,
    checker,
    kept,
    holdsSecret,
    onMetrics,
    chance: chanceOf(seed, `caller ${number}`),
  })

  const isOver = new AbortController()
  const samples: Array<Sample> = []
  const clock = setInterval(() => {
    const at = Math.round((performance.now() - begun) / 1000)
    if (hasEnded(proxy.child)) return isOver.abort()
    const rss = canBeMeasured ? residentMemory(proxy.pid) : undefined
    if (rss !== undefined) samples.push({ at, rss })
    if (at % 10 === 0) say(progress(at, checker, rss))
    if (at >= seconds) isOver.abort()
  }, 1000)
  const isCalmFor = (milliseconds: number) =>
    !wasFailing({ from: performance.now() - milliseconds, to: performance.now() }, ["waldur"])
  const world = { sandbox, history, isCalmFor, counts: happened, chance: chanceOf(seed, "world") }
  await Promise.all([
    mutateWorld(world, isOver.signal),
    injection.change(isOver.signal),
    ...Array.from({ length: callers }, (_, number) => call(caller(number), isOver.signal)),
  ])
  clearInterval(clock)

  const faults: Array<string> = []
  if (hasEnded(proxy.child)) faults.push("the proxy has ended")
  else {
    await catchUp(asker, checker, performance.now())
    onMetrics((await asker.ask({ path: "/metrics" })).body.toString())
  }
  await asker.close()
  const isThere = canBeMeasured && !hasEnded(proxy.child)
  const left = isThere ? await connectionsWhenSilent(proxy.pid) : []
  const connectionsAtEnd = left.length
  const rssAtEnd = isThere ? residentMemory(proxy.pid) : 0
  await proxy.stop()
  await sandbox.close()

  const peak = Math.max(rssAtStart, rssAtEnd, ...samples.map(({ rss }) => rss))
  say("")
  say(
    summary({
      checker,
      log,
      happened,
      struck: injection.struck(),
      metrics,
      vital: canBeMeasured
        ? {
            rssAtStart,
            rssAtEnd,
            rssPeak: peak,
            growth: growthInSecondHalf(samples),
            connectionsAtStart,
            connectionsAtEnd,
          }
        : undefined,
    }),
  )
  const memory = isThere ? memoryFault(samples) : undefined
  if (memory !== undefined) faults.push(memory)
  if (left.length > 0) {
    const ports = `Waldur is ${portOf(sandbox.waldur.url)}, the HPC User API ${portOf(sandbox.hpcUserApi.url)}, the issuer ${portOf(sandbox.issuer.url)}, the proxy ${portOf(proxy.url)}`
    faults.push(`connections stay open: ${left.join("; ")} (${ports})`)
  }
  for (const { why, line } of log.faulty.slice(0, 10)) faults.push(`${why}: ${line}`)
  if (checker.wrongs.length > 0)
    faults.push(`wrong responses: ${checker.wrongs.length}\n${wrongResponses(checker.wrongs)}`)
  say("")
  for (const fault of faults) say(`WRONG ${fault}`)
  say(faults.length === 0 ? "Nothing is wrong." : `Again: ${repeat}`)
  return faults.length === 0
}

const portOf = (url: string) => new URL(url).port

/** Once everything is healthy and nothing changes, the current data is served soon. */
const catchUp = async (asker: Asker, checker: Checker, since: number): Promise<void> => {
  const headers = { Accept: "application/x-ndjson" }
  for (;;) {
    const reply = await asker.ask({ path: listPath, headers })
    // An error has no Age.
    const window = reply.status === 200 ? checker.windowOf(reply) : undefined
    if (window !== undefined && window.from > since) {
      const entries = reply.body.toString().split("\n").slice(0, -1)
      checker.list(reply, window, { entries: entries.map((line) => JSON.parse(line)), filter: {}, page: undefined })
      return
    }
    if (performance.now() - since > calmAfter * 2) {
      return checker.wrong(reply, { what: "no new list though all is well again", truth: `since ${calmAfter * 2} ms` })
    }
    await pause(200, never)
  }
}

/** Idle connections end within seconds, and refreshes with the last request. */
const connectionsWhenSilent = async (pid: number): Promise<ReadonlyArray<string>> => {
  const end = performance.now() + keepWarmFor + 20_000
  for (;;) {
    const open = connectionsOf(pid)
    if (open.length === 0 || performance.now() > end) return open
    await pause(250, never)
  }
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) say(usage)
  else if (!(await soak(options))) process.exitCode = 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
process.exit()

/** Ours beside both predecessors, against the same sandbox in the same run. */
import type { Sandbox } from "@cscs/sandbox"
import { installPeer, type Peer, peers } from "../compare-with-peers/peers.ts"
import { startPeer } from "../compare-with-peers/services.ts"
import { type Bench, freshForLong, near } from "./bench-context.ts"
import { median, milliseconds, seconds, times, twoDecimals, whole } from "./figures.ts"
import type { LoadResult } from "./load-process.ts"
import { childWith, memoryOf } from "./proc-stats.ts"
import { startProxy } from "./proxy-process.ts"
import { type Findings, target } from "./section.ts"
import { firstAnswer, pageOf100 } from "./storage-list.ts"

export const peersHead = [
  "version",
  "first answer",
  "of ours",
  "warm requests/s",
  "of ours",
  "p50",
  "requests measured",
  "bytes of an answer",
  "resident",
  "peak",
] as const

const connections = 4

interface Measured {
  readonly name: string
  /** Milliseconds from the start of the process. */
  readonly first: number
  readonly load: LoadResult
  readonly rss: number
  readonly peak: number
}

/**
 * @param venvs where the peers are installed, or shall be
 * @param stop ends pip in the middle
 */
export const measurePeers = async (bench: Bench, venvs: string, stop: AbortSignal): Promise<Findings> => {
  for (const peer of peers) {
    bench.say(`  installing ${peer.distribution} ${peer.version}`)
    await installPeer(venvs, peer, stop)
  }
  await bench.sandbox.ask("distance", near)
  const ours = await measureOurs(bench)
  const theirs: Array<Measured> = []
  for (const peer of peers) theirs.push(await measurePeer(bench, peer, venvs, stop))
  const rows = [ours, ...theirs].map((one) => [
    one.name,
    seconds(one.first),
    one === ours ? "" : `${times(one.first / ours.first)} times`,
    one.load.perSecond >= 10 ? whole(one.load.perSecond) : one.load.perSecond.toPrecision(3),
    one === ours ? "" : `1/${times(ours.load.perSecond / one.load.perSecond)}`,
    milliseconds(one.load.p50),
    `${whole(one.load.requests)} in ${seconds(one.load.seconds * 1000)}`,
    whole(one.load.bytes / one.load.requests),
    `${whole(one.rss)} MB`,
    `${whole(one.peak)} MB`,
  ])
  const targets = theirs
    .filter(({ name }) => name === "0.10.0")
    .flatMap(({ first, load }) => [
      target(
        "5,000 resources: at least 1,000 times the warm rate of 0.10.0",
        ours.load.perSecond / load.perSecond >= 1000,
        `${times(ours.load.perSecond / load.perSecond)} times`,
      ),
      target(
        "5,000 resources: first answer at least 50 times as soon as 0.10.0",
        first / ours.first >= 50,
        `${twoDecimals(first / ours.first)} times`,
      ),
    ])
  return { rows, targets }
}

/** The middle one of three cold starts; one before, so that neither the disk nor the sandbox is cold for anybody. */
const measureOurs = async (bench: Bench): Promise<Measured> => {
  const { proxy, folder, addresses, say } = bench
  const firsts: Array<number> = []
  for (let start = 0; ; start++) {
    const running = await startProxy({ main: proxy.main, folder, addresses, settings: freshForLong })
    try {
      await firstAnswer(running.origin + pageOf100)
      if (start > 0) firsts.push(performance.now() - running.spawnedAt)
      if (firsts.length < 3) continue
      const first = median(firsts)
      const load = await loadOn(bench, running.origin, 10)
      say(`  ours: first answer ${seconds(first)}, then ${whole(load.perSecond)}/s`)
      return { name: "ours", first, load, ...memoryOf(running.pid) }
    } finally {
      await running.end()
    }
  }
}

const measurePeer = async (bench: Bench, peer: Peer, venvs: string, stop: AbortSignal): Promise<Measured> => {
  // Of a sandbox, `startPeer` reads the addresses and no more.
  const sandbox = bench.addresses as unknown as Sandbox
  const spawnedAt = performance.now()
  const service = await startPeer(bench.folder, venvs, peer, sandbox, stop)
  try {
    await firstAnswer(service.url + pageOf100)
    const first = performance.now() - spawnedAt
    bench.say(`  ${peer.version}: first answer ${seconds(first)}`)
    const pid = childWith(peer.application)
    if (pid === undefined) throw new Error(`No process of ${peer.version}`)
    const load = await loadOn(bench, service.url, 30)
    bench.say(`  ${peer.version}: then ${load.perSecond.toPrecision(3)}/s`)
    return { name: peer.version, first, load, ...memoryOf(pid) }
  } finally {
    await service.end()
  }
}

const loadOn = async ({ load }: Bench, origin: string, duration: number): Promise<LoadResult> => {
  const result = await load.ask("run", { origin, path: pageOf100, headers: {}, connections, seconds: duration })
  if (Object.keys(result.statuses).join() !== "200") {
    throw new Error(`${origin} answers under load: ${JSON.stringify(result.statuses)}`)
  }
  return result
}

/**
 * A paced load, as a process: `paced-load.ts URL CONNECTIONS REQUESTS-PER-SECOND SECONDS HEADERS`. Prints figures as JSON.
 *
 * Sends each request when it is due, whether or not earlier ones have their response, so that one long delay counts for
 * all requests that it meets. They share the connections; the wait for a free one is part of the latency.
 */
import { Agent, get } from "node:http"
import { buffer } from "node:stream/consumers"
import { setTimeout as pause } from "node:timers/promises"

const [url = "", ...numbers] = process.argv.slice(2, 6)
const [connections = 1, perSecond = 1, seconds = 1] = numbers.map(Number)
const headers = JSON.parse(process.argv[6] ?? "{}")
const agent = new Agent({ keepAlive: true, maxSockets: connections })
const requests = perSecond * seconds
const latencies: Array<number> = []
let failures = 0

const begin = performance.now()
const send = async () => {
  const sentAt = performance.now()
  try {
    await new Promise<void>((resolve, reject) => {
      get(url, { agent, headers }, (response) => {
        const { statusCode } = response
        const ended = () => (statusCode === 200 ? resolve() : reject(new Error(`status ${statusCode}`)))
        buffer(response).then(ended, reject)
      }).on("error", reject)
    })
    latencies.push(performance.now() - sentAt)
  } catch {
    failures += 1
  }
}
const sent: Array<Promise<void>> = []
while (sent.length < requests) {
  const early = begin + (sent.length * 1000) / perSecond - performance.now()
  if (early > 0) await pause(early)
  sent.push(send())
}
await Promise.all(sent)
latencies.sort((a, b) => a - b)
const at = (share: number) => latencies[Math.ceil(latencies.length * share) - 1]
const took = (performance.now() - begin) / 1000
console.log(JSON.stringify({ requests, perSecond: requests / took, p50: at(0.5), p99: at(0.99), max: at(1), failures }))

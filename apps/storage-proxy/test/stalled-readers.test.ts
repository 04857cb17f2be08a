import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"
import { setTimeout as turn } from "node:timers/promises"
import { expect, onTestFinished, test } from "vitest"
import { closeStalledReaders, type ReadingLimits } from "../src/stalled-readers.ts"

const limits: ReadingLimits = { serving: 400, stopping: 400, lookEvery: 20 }
const block = Buffer.alloc(64 * 1024, "x")

const aServer = async (listener: RequestListener, given = limits) => {
  const server = createServer(listener)
  const readers = closeStalledReaders(server, given)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, "close")
  })
  const asking = async (header = ""): Promise<Socket> => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1")
    onTestFinished(() => void socket.destroy())
    socket.on("error", () => {})
    await once(socket, "connect")
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${header}\r\n`)
    return socket
  }
  const open = () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
  return { asking, open, readers }
}

/** Writes endlessly, as fast as the reader reads. */
const endless: RequestListener = (_, response) => {
  const more = () => {
    while (!response.destroyed && response.write(block));
  }
  response.on("drain", more)
  more()
}

const until = async (holds: () => Promise<boolean>) => {
  while (!(await holds())) await turn(5)
}

test("callers that never read a response lose their connection", async () => {
  const { asking, open } = await aServer(endless)
  for (let caller = 0; caller < 20; caller++) await asking()
  await until(async () => (await open()) === 0)
})

test("callers that keep reading stay connected, and so do those that wait for a response or request nothing", async () => {
  const { asking, open } = await aServer(
    (request, response) => {
      if (request.headers.slow === undefined) endless(request, response)
    },
    { ...limits, serving: 2_000 },
  )
  const reader = await asking()
  await asking("Slow: 1\r\n")
  const silent = connect(reader.remotePort ?? 0, "127.0.0.1")
  onTestFinished(() => void silent.destroy())
  await until(async () => (await open()) === 3)
  // Some bytes at a time, for twice the limit. The system accepts more after part of its buffer, some megabytes, has
  // been read.
  const end = performance.now() + 4_000
  while (performance.now() < end) {
    for (let read = 0; read < 16; read++) reader.read(64 * 1024)
    await turn(25)
  }
  expect([await open(), reader.destroyed]).toEqual([3, false])
})

test("a stopping server disconnects stalled callers sooner", async () => {
  const { asking, open, readers } = await aServer(endless, { ...limits, serving: 3_600_000 })
  await asking()
  await turn(200)
  expect(await open()).toBe(1)
  readers.stop()
  await until(async () => (await open()) === 0)
})

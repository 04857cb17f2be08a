import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"

/** A port of 127.0.0.1 that is free now. For programs that cannot choose one themselves: those that can are given 0. */
export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, "close")
  return port
}

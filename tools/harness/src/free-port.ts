import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"

/**
 * A currently free port of 127.0.0.1, for programs that cannot choose one themselves; others get 0.
 *
 * @param wanted this port, if it is free
 * @throws with the code EADDRINUSE if it is not
 */
export const freePort = async (wanted = 0): Promise<number> => {
  const probe = createServer().listen(wanted, "127.0.0.1")
  await once(probe, "listening")
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, "close")
  return port
}

import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"

/**
 * Returns a free port of 127.0.0.1, for programs that cannot choose one themselves.
 *
 * @param wanted the port to check; 0 means any free port
 * @throws with the code EADDRINUSE if the wanted port is in use
 */
export const freePort = async (wanted = 0): Promise<number> => {
  const probe = createServer().listen(wanted, "127.0.0.1")
  await once(probe, "listening")
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, "close")
  return port
}

/**
 * `pnpm demo`: the sandbox and the storage proxy side by side on loopback. Prints the tree of entries and example curl
 * commands, and serves until it is stopped.
 */
import { sandboxEnvironment, spawnProxy, startProxy } from "@cscs/harness"
import { startSandbox } from "@cscs/sandbox"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`This runs on Node ${process.version}, and needs 22.19. Start it with: npx -y pnpm@12 demo`)
  process.exit(1)
}

const host = "127.0.0.1"
const port = 8080
const origin = `http://${host}:${port}`
const list = `${origin}/api/storage-resources/`

const sandbox = await startSandbox({ worldChangesByHand: false })
// An isolated configuration: the shell's variables do not count.
const environment = sandboxEnvironment(sandbox)
const proxy = await startProxy({
  args: ["--host", host, "--port", String(port)],
  environment,
  isReady: true,
}).catch(async (error: Error) => {
  // The end of the proxy's log has the reason.
  console.error(`The demo does not start. ${error.message.trim().split("\n").at(-1)}`)
  await sandbox.close()
  process.exit(1)
})
void proxy.ended.then(async (code) => {
  if (code !== 0) console.error(`${proxy.stderr()}\nThe proxy ended with ${code}.`)
  await sandbox.close()
  process.exit(code === 0 ? 0 : 1)
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => proxy.signal("SIGTERM"))

try {
  const tree = spawnProxy({ args: ["tree"], environment })
  if ((await tree.ended) !== 0) throw new Error(tree.stderr())
  const { pagination } = JSON.parse(await (await fetch(list)).text())
  console.log(`${tree.stdout()}
${pagination.total} entries, from ${sandbox.world.resources.length} resources of the sandbox's Waldur. Try:

  curl '${list}?storage_system=capstor&data_type=store&page_size=5'
  curl '${list}?status=active&page=2'
  curl '${list}?storage_system=vast&debug=true'      # Waldur's own data, and what was skipped, with reasons
  curl '${list}?storage_system=tape'                 # a wrong parameter
  curl '${origin}/healthz/ready'

API reference: ${origin}/docs/     Stop with Ctrl+C.`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  proxy.signal("SIGTERM")
}

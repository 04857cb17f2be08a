/**
 * `pnpm demo`: the sandbox and the storage proxy side by side on loopback. Prints the tree as text and example curl
 * commands, and serves until it is stopped.
 */
import { sandboxEnvironment, startProxy } from "@cscs/harness"
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
const proxy = await startProxy({
  args: ["--host", host, "--port", String(port)],
  environment: sandboxEnvironment(sandbox),
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

interface Entry {
  readonly status: string
  readonly mountPoint: { readonly default: string }
  readonly permission: { readonly value: string }
  readonly quotas: ReadonlyArray<{ readonly type: string; readonly quota: number }> | null
  readonly target: {
    readonly targetType: string
    readonly targetItem: {
      readonly key?: string
      readonly unixGid?: number
      readonly primaryProject?: { readonly name: string; readonly unixGid: number }
    }
  }
}

interface Answer {
  readonly resources: ReadonlyArray<Entry>
  readonly pagination: { readonly total: number; readonly pages: number }
}

const page = async (number: number): Promise<Answer> => {
  const response = await fetch(`${list}?page_size=500&page=${number}`)
  if (!response.ok) throw new Error(`${list} returned ${response.status}: ${await response.text()}`)
  return (await response.json()) as Answer
}

const line = ({ status, mountPoint, permission, quotas, target }: Entry): string => {
  const depth = { tenant: 0, customer: 1 }[target.targetType] ?? 2
  const item = target.targetItem
  const gid = item.unixGid ?? item.primaryProject?.unixGid
  const owner = `${target.targetType} ${item.key ?? item.primaryProject?.name ?? ""}`
  const quota = quotas === null ? "quota -" : `${quotas[0]?.quota} / ${quotas[1]?.quota} TB`
  return [
    `${"  ".repeat(depth)}${mountPoint.default}`.padEnd(58),
    owner.padEnd(34),
    (gid === undefined ? "" : `gid ${gid}`).padEnd(10),
    permission.value.padEnd(5),
    (depth < 2 ? "" : quota).padEnd(18),
    status,
  ]
    .join(" ")
    .trimEnd()
}

try {
  const first = await page(1)
  const rest = await Promise.all(Array.from({ length: first.pagination.pages - 1 }, (_, index) => page(index + 2)))
  for (const entry of [first, ...rest].flatMap(({ resources }) => resources)) console.log(line(entry))
  console.log(`
${first.pagination.total} entries, made of ${sandbox.world.resources.length} resources of the sandbox's Waldur. Try:

  curl '${list}?storage_system=capstor&data_type=store&page_size=5'
  curl '${list}?status=active&page=2'
  curl '${list}?storage_system=vast&debug=true'      # Waldur's own data, and what was left out, with reasons
  curl '${list}?storage_system=tape'                 # a wrong parameter
  curl '${origin}/healthz/ready'

API reference: ${origin}/docs/     Stop with Ctrl+C.`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  proxy.signal("SIGTERM")
}

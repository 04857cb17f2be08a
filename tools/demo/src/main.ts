/**
 * `pnpm demo`: the sandbox and the storage proxy side by side on loopback. Prints the tree of entries and commands to try,
 * and serves until it is stopped. `--port` sets the proxy's port; `--odd` serves the world with all edge cases of the tests.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { executable, run, scratchFolder, spawnProxy, startProxy } from "@cscs/harness"
import { buildDemoWorld, buildWorld, startSandbox } from "@cscs/sandbox"

const failed = (why: string): never => {
  console.error(why)
  process.exit(1)
}
const usage = "Usage: npx -y pnpm@12 demo [--port PORT] [--odd]    --odd: serve a world of edge cases"
const given = () => {
  try {
    const options = { port: { type: "string", default: "8080" }, odd: { type: "boolean", default: false } } as const
    return parseArgs({ options }).values
  } catch (error) {
    return failed(process.argv.includes("--help") ? usage : `${(error as Error).message}\n${usage}`)
  }
}
const { port, odd } = given()

// Registered before the folder's own handlers, which exit with 130: stopping a demo is not a failure.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    console.log("\nThe demo has ended.")
    process.exit(0)
  })
}
const folder = scratchFolder("demo")
const { waldur, hpcUserApi, issuer, world } = await startSandbox({
  world: odd ? buildWorld() : buildDemoWorld(),
  worldChangesByHand: false,
})
const put = (name: string, text: string, mode = 0o600) => writeFileSync(join(folder, name), text, { mode })
// Uses this Node: the shell's may be older.
const putCommand = (name: string, ...words: ReadonlyArray<string>) => {
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`)
  put(name, `#!/bin/sh\nexec ${quoted.join(" ")} "$@"\n`, 0o700)
}
put(
  "demo.yaml",
  `waldur_api_url: ${waldur.url}
waldur_api_token: ${waldur.token}
storage_systems:            # name: slug of the offering in Waldur
  capstor: capstor
  vast: vast
  iopsstor: iopsstor
backend_settings:
  mount_roots: [/capstor, /vast, /iopsstor]
hpc_user_api:
  api_url: ${hpcUserApi.url}
  client_id: ${hpcUserApi.clientId}
  client_secret: ${hpcUserApi.clientSecret}
  oidc_token_url: ${hpcUserApi.tokenUrl}
auth:
  disable_auth: true        # never in production
`,
)
putCommand("storage-proxy", ...executable())

// In a fresh clone the explorer is not built yet.
const explorer = join(import.meta.dirname, "../../../packages/explorer")
if (!existsSync(join(explorer, "dist/index.html"))) {
  await run(process.execPath, [join(explorer, "node_modules/vite/bin/vite.js"), "build"], { cwd: explorer })
}
// In its own process group: Ctrl+C reaches only this process, which ends the proxy.
const proxy = await startProxy({
  args: ["--config", "demo.yaml", "--host", "127.0.0.1", "--port", port],
  directory: folder,
  isReady: true,
  hasGroup: true,
}).catch((error: Error) => failed(`The demo cannot start: ${error.message.trim().split("\n").at(-1)}`))
void proxy.ended.then((code) => failed(`${proxy.stderr()}\nThe proxy ended with ${code}.`))
// The configuration of a provisioner whose mount points are below the folder.
const systems = ["capstor", "vast", "iopsstor"]
for (const system of systems) mkdirSync(join(folder, "disk", system), { recursive: true, mode: 0o755 })
put(
  "provisioner.yaml",
  `proxy: {url: "${proxy.url}", disable_auth: true}
waldur_api_url: ${waldur.url}
waldur_api_token: ${waldur.actingToken}   # may act on orders
state_path: ${folder}/state
prefix: ${folder}/disk      # precedes each mount point; omit in production
storage_systems:            # key in entries; plain directories, for a trial
${systems.map((system) => `  ${system}: {driver: directory, root: ${folder}/disk/${system}}`).join("\n")}
`,
)
const provisioner = join(import.meta.dirname, "../../../apps/provisioner/src/main.ts")
putCommand("storage-provisioner", process.execPath, provisioner)
// The variables that examples/python reads; a proxy without authentication ignores the token.
put(
  "provisioner.env",
  `export PROXY_URL=${proxy.url}
export TOKEN_URL=${issuer.tokenUrl}
export CLIENT_ID=${issuer.integrator.clientId}
export CLIENT_SECRET=${issuer.integrator.clientSecret}
export WALDUR_TOKEN=${waldur.actingToken}
`,
)
const tree = spawnProxy({ args: ["tree", "--config", "demo.yaml"], directory: folder, hasGroup: true })
if ((await tree.ended) !== 0) failed(tree.stderr())
const list = `${proxy.url}/api/storage-resources/`
const { pagination } = JSON.parse(await (await fetch(list)).text())
const cli = (command: string, rest = "") => `  ./storage-proxy ${command} --config demo.yaml${rest}`
console.log(`Explorer: ${proxy.url}/explorer/

${tree.stdout()}
${pagination.total} entries, from ${world.resources.length} resources of the sandbox's Waldur: ${proxy.url}/
Try, in another terminal:

  curl '${list}?storage_system=capstor&data_type=store&page_size=5'
  curl '${list}?status=updating'
  curl '${list}?storage_system=vast&debug=true'      # Waldur's own data, and what was skipped, with reasons

  cd '${folder}'      # until the demo ends
${cli("check")}
${cli("tree")}
${cli("explain", ` ${world.resources[0]?.slug}`)}
${cli("export", " --out entries.json")}
  ./storage-proxy diff entries.json ${proxy.url}
  . ./provisioner.env      # the variables of examples/python

storage-provisioner, with provisioner.yaml in the same folder, creates the entries on disk: docs/provisioning.md.

API reference: ${proxy.url}/docs/     Stop with Ctrl+C.`)

/** Checks of the API's description with other programs: a linter, generated clients, and the examples that use them. */
import assert from "node:assert"
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { type Environment, run, sandboxEnvironment, startProxy } from "@cscs/harness"
import { buildWorld, placeOrder, startSandbox, type WaldurRecord } from "@cscs/sandbox"
import { createConfig, lintFromString } from "@redocly/openapi-core"
import openapiTS, { astToString } from "openapi-typescript"

const workspace = join(import.meta.dirname, "..")
const examples = join(workspace, "..", "..", "examples")

/** All of Redocly's rules except two. */
const rules = {
  // The contract's path has a trailing slash.
  "no-path-trailing-slash": "off",
  // Health and metrics never return a 4xx to a GET.
  "operation-4xx-response": "off",
} as const

/**
 * Starts a proxy with authentication over a sandbox whose Capstor and VAST resources have no orders.
 *
 * @param scratch the folder for everything that is generated
 * @param packages the folder with the Python packages
 * @returns the checks by name
 */
export const clientChecks = async (scratch: string, packages: string) => {
  const world = buildWorld({ edgeCases: false, resources: 60 })
  const rows = world.resources.filter(({ offering_slug }) => offering_slug === "capstor" || offering_slug === "vast")
  for (const row of rows) Object.assign(row, { state: "OK", order_in_progress: null, backend_id: "" })
  // One is in no directory of a tenant or customer, because its customer has another elsewhere.
  const isBeside = (row: WaldurRecord) => (other: WaldurRecord) => dirname(pathOf(row)) === dirname(pathOf(other))
  Object.assign(rows.findLast((row) => rows.filter(isBeside(row)).length > 1) ?? {}, { backend_id: "/capstor/own/1" })
  const sandbox = await startSandbox({ world })
  const { url } = await startProxy({ environment: sandboxEnvironment(sandbox, true), isReady: true })
  const token = await sandbox.issuer.issueToken()
  const description = await (await fetch(`${url}/openapi.json`)).text()
  const document = join(scratch, "openapi.json")
  writeFileSync(document, description)
  const root = join(scratch, "root")
  mkdirSync(root)
  const environment: Environment = {
    PATH: [join(packages, "bin"), process.env.PATH].join(delimiter),
    HOME: scratch,
    LC_ALL: "C.UTF-8",
    PYTHONPATH: [packages, join(scratch, "client")].join(delimiter),
    PYTHONDONTWRITEBYTECODE: "1",
    ANSIBLE_PIPELINING: "true",
    PROXY_URL: url,
    PROXY_TOKEN: token,
    TOKEN_URL: sandbox.issuer.tokenUrl,
    CLIENT_ID: sandbox.issuer.integrator.clientId,
    CLIENT_SECRET: sandbox.issuer.integrator.clientSecret,
    WALDUR_TOKEN: sandbox.waldur.actingToken,
  }
  const options = { cwd: scratch, env: environment }
  return {
    "Redocly's linter": async () => {
      const config = await createConfig({ extends: ["recommended-strict"], rules })
      const problems = await lintFromString({ source: description, absoluteRef: document, config })
      const lines = problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`)
      if (lines.length > 0) throw new Error(`\n${lines.join("\n")}`)
      return "no findings"
    },

    "a generated TypeScript client, and its example": async () => {
      const folder = join(scratch, "typescript")
      cpSync(join(examples, "typescript"), folder, { recursive: true })
      symlinkSync(join(workspace, "node_modules"), join(folder, "node_modules"))
      writeFileSync(join(folder, "schema.d.ts"), astToString(await openapiTS(description)))
      await run(join(workspace, "node_modules", ".bin", "tsc"), ["-p", folder])
      const plan = await run(process.execPath, [join(folder, "plan.ts")], options)
      return `${plan.split("\n").length - 1} entries planned`
    },

    "a generated Python client, and its example": async () => {
      await run("ruff", ["check", "--no-cache", "--line-length", "120", join(examples, "python")], options)
      const generate = ["generate", "--path", document, "--meta", "none", "--fail-on-warning"]
      const client = join(scratch, "client", "cscs_storage_proxy_client")
      await run("openapi-python-client", [...generate, "--output-path", client], options)
      const quotas = join(scratch, "set-quotas")
      writeFileSync(quotas, '#!/bin/sh\nprintf "%s\\n" "$*" >>"$HOME/quotas"\n', { mode: 0o755 })
      const flags = ["--root", root, "--state", join(scratch, "state.json"), "--quota-command", quotas]
      const reconcile = () => run("python3", [join(examples, "python", "reconcile.py"), ...flags], options)
      const isThere = (row: WaldurRecord) => existsSync(join(root, pathOf(row)))

      await reconcile()
      assert(rows.every(isThere), "some resources have no directory")
      const [removed, withoutUrl, changed, created] = rows as [WaldurRecord, WaldurRecord, WaldurRecord, WaldurRecord]
      const uuid = (number: number) => String(number).padStart(32, "0")
      placeOrder(world, removed, { uuid: uuid(1), type: "Terminate", state: "pending-provider", attributes: {} })
      const order = placeOrder(world, withoutUrl, { uuid: uuid(2), type: "Terminate", state: "executing" })
      // The proxy does not serve URLs of other hosts.
      const elsewhere = { ...order, url: "https://x.example.org/" }
      Object.assign(withoutUrl, { state: "Terminating", order_in_progress: elsewhere })
      const limits = { limits: { storage: 77 }, attributes: { old_limits: changed.limits as object } }
      placeOrder(world, changed, { uuid: uuid(3), type: "Update", state: "pending-provider", ...(limits as object) })
      Object.assign(created, { state: "Creating" })
      placeOrder(world, created, { uuid: uuid(4), type: "Create", state: "pending-provider" })

      await reconcile()
      assert(!isThere(removed) && removed.state === "Terminated", "a removed directory is not in the trash")
      assert(isThere(withoutUrl), "a removal without a URL is not left alone")
      const limit = (changed.limits as { storage: number }).storage
      assert(changed.state === "OK" && limit === 77, "an update is not done")
      // Once before the report, and once more when the list has the quota as the resource's own.
      const settings = readFileSync(join(scratch, "quotas"), "utf8").split("\n")
      assert(settings.filter((line) => line.includes(" 77000000000000 ")).length === 2, "a quota is not set first")
      assert(created.state === "OK" && isThere(created), "a creation is not done")
      const again = await reconcile()
      assert.equal(again, "", `left to do: ${again}`)
      return `${rows.length} directories, and an order of each type done`
    },

    "the Ansible example": async () => {
      const registry = join(scratch, "registry")
      const variables = JSON.stringify({
        ansible_connection: "local",
        ansible_python_interpreter: "{{ ansible_playbook_python }}",
        proxy_url: url,
        proxy_token: token,
        root: join(scratch, "hosts"),
        registry,
        set_group: process.getuid?.() === 0,
        data_type: "users",
      })
      const args = [join(examples, "ansible", "directories.yml"), "-i", "localhost,", "-e", variables]
      const changed = async () => Number(/changed=(\d+)/.exec(await run("ansible-playbook", args, options))?.[1])
      const tenant = join(scratch, "hosts/capstor/users/cscs")
      mkdirSync(tenant, { recursive: true, mode: 0o700 })
      const [first, second] = [await changed(), await changed()]
      assert(first > 0 && second === 0, `it changed ${first} things, and then ${second}`)
      assert(statSync(join(scratch, "hosts/capstor/own")).gid === process.getgid?.(), "a group has its parent, too")
      assert((statSync(tenant).mode & 0o777) === 0o700, "it changes a tenant's directory that it did not create")
      rmSync(registry)
      await assert.rejects(changed(), /was not made for/, "it adopts a directory that it did not create")
      return "the second run changes nothing, and the third refuses a directory that it did not create"
    },
  }
}

/** The path of a resource, by the contract. */
const pathOf = ({ backend_id, offering_slug, attributes, provider_slug, customer_slug, project_slug }: WaldurRecord) =>
  String(backend_id) ||
  [offering_slug, (attributes as WaldurRecord).storage_data_type, provider_slug, customer_slug, project_slug].join("/")

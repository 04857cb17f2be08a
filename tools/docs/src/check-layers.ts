/**
 * Enforces the layers in ARCHITECTURE.md: imports point only down the layers, there is no cycle, each package has one
 * entry point, and shipped code never imports the sandbox. Exit code 1 and a line for each forbidden import.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { cruise, type ICruiseResult, type IForbiddenRuleType } from "dependency-cruiser"

/**
 * For each workspace, the others that its sources may import; the tests of any may also import the sandbox and the
 * harness.
 */
const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  "packages/storage-model": [],
  "packages/http-transport": [],
  "packages/waldur-client": ["packages/http-transport"],
  "packages/hpc-user-client": ["packages/http-transport"],
  "packages/storage-client": ["packages/storage-model", "packages/http-transport"],
  "packages/proxy-server": [
    "packages/storage-model",
    "packages/http-transport",
    "packages/waldur-client",
    "packages/hpc-user-client",
  ],
  "apps/storage-proxy": ["packages/proxy-server", "packages/http-transport"],
  "apps/provisioner": [
    "packages/proxy-server",
    "packages/storage-client",
    "packages/storage-model",
    "packages/http-transport",
    "packages/waldur-client",
  ],
  "apps/sandbox": [],
  "tools/harness": ["apps/sandbox"],
  "tools/oracle": ["apps/sandbox"],
  "tools/soak": ["tools/harness", "tools/oracle", "apps/sandbox"],
  "tools/bench": ["tools/harness", "apps/sandbox"],
  "tools/release": ["tools/harness", "apps/sandbox"],
  "tools/deploy": ["tools/harness", "apps/sandbox"],
  "tools/api": ["tools/harness", "apps/sandbox"],
  "tools/api-reference": [],
  "tools/docs": ["packages/proxy-server", "packages/storage-model", "tools/harness", "apps/sandbox"],
  "tools/demo": ["tools/harness", "apps/sandbox"],
}

/**
 * The folders of proxy-server, the highest first: each imports only from those below it. Files beside them are above
 * all.
 */
const proxyServer = "packages/proxy-server/src"
const foldersFromTheTop = [
  "commands",
  "wiring",
  "routes",
  "openapi",
  "http",
  "auth",
  "serving",
  "replication",
  "persistence",
  "refresh",
  "snapshot",
  "config",
  "config-sources",
  "concurrency",
  "observability",
]
/** A folder with a larger share of the package's lines contains several concerns. */
const largestShare = 0.2

const workspaces = Object.keys(mayImport)
const unlisted = ["packages", "apps", "tools"]
  .flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`))
  .filter((workspace) => !workspaces.includes(workspace))
if (unlisted.length > 0)
  throw new Error(`Declare in tools/docs/src/check-layers.ts what ${unlisted.join(", ")} may import`)

const entryPointOf = (workspace: string) => `^${workspace}/src/index\\.ts$`
const forbidden: Array<IForbiddenRuleType> = [
  { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
  { name: "no-unresolved-import", severity: "error", from: {}, to: { couldNotResolve: true } },
  ...foldersFromTheTop.map(
    (folder, index): IForbiddenRuleType => ({
      name: `${folder}-of-proxy-server-imports-only-down`,
      severity: "error",
      from: { path: `^${proxyServer}/${folder}/` },
      to: { path: `^${proxyServer}/`, pathNot: `^${proxyServer}/(${foldersFromTheTop.slice(index).join("|")})/` },
    }),
  ),
  ...workspaces.flatMap((workspace): Array<IForbiddenRuleType> => {
    const allowed = mayImport[workspace] ?? []
    return [
      {
        name: `sources-of-${workspace}-import-only-down`,
        severity: "error",
        from: { path: `^${workspace}/src/` },
        to: { path: "^(packages|apps|tools)/", pathNot: [`^${workspace}/`, ...allowed.map(entryPointOf)] },
      },
      {
        name: `tests-of-${workspace}-import-only-down`,
        severity: "error",
        from: { path: `^${workspace}/test[a-z-]*/` },
        to: {
          path: "^(packages|apps|tools)/",
          pathNot: [`^${workspace}/`, ...[...allowed, "apps/sandbox", "tools/harness"].map(entryPointOf)],
        },
      },
      {
        name: `sources-of-${workspace}-import-no-test`,
        severity: "error",
        from: { path: `^${workspace}/src/`, pathNot: "\\.test\\.ts$" },
        to: { path: "^[^/]+/[^/]+/test[a-z-]*/" },
      },
    ]
  }),
]

const linesOf = (path: string): number =>
  statSync(path).isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + linesOf(`${path}/${name}`), 0)
    : readFileSync(path, "utf8").split("\n").length - 1
const tooLarge = foldersFromTheTop.filter(
  (folder) => linesOf(`${proxyServer}/${folder}`) > largestShare * linesOf(proxyServer),
)
const unlistedFolders = readdirSync(proxyServer, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !foldersFromTheTop.includes(entry.name))
  .map(({ name }) => name)
if (unlistedFolders.length > 0)
  throw new Error(`Add ${unlistedFolders.join(", ")} of proxy-server to the folders in tools/docs/src/check-layers.ts`)

const { output } = await cruise(["packages", "apps", "tools"], {
  ruleSet: { forbidden },
  validate: true,
  exclude: { path: "(^|/)(dist|node_modules)/" },
  tsPreCompilationDeps: true,
  preserveSymlinks: false,
  enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "default"] },
})
const { summary } = output as ICruiseResult
// With an unsupported TypeScript version, dependency-cruiser finds no module, and so no violation.
if (summary.totalCruised < 50)
  throw new Error(`Only ${summary.totalCruised} modules were read: the check is ineffective`)
for (const { rule, from, to } of summary.violations) console.log(`${rule.name}: ${from} -> ${to}`)
console.log(
  `${summary.totalCruised} modules, ${summary.totalDependenciesCruised} imports, ${summary.error} not allowed`,
)
for (const folder of tooLarge)
  console.log(`${proxyServer}/${folder} holds more than ${largestShare * 100} % of the package's lines`)
process.exitCode = summary.error > 0 || tooLarge.length > 0 ? 1 : 0

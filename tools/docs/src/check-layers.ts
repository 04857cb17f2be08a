/**
 * Enforces the layers in ARCHITECTURE.md: imports point only down the layers and form no cycle, each package has one entry
 * point, and shipped code never imports the sandbox. Prints each forbidden import, and then exits with 1.
 */
import { globSync, readdirSync, readFileSync } from "node:fs"
import { cruise, type ICruiseResult, type IRegularForbiddenRuleType } from "dependency-cruiser"

/**
 * For each workspace, the names of the others that its sources may import. Tests may also import the sandbox and the
 * harness.
 */
const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  "packages/storage-model": [],
  "packages/explorer": ["storage-model"],
  "packages/http-transport": [],
  "packages/waldur-client": ["http-transport"],
  "packages/hpc-user-client": ["http-transport"],
  "packages/storage-client": ["storage-model", "http-transport"],
  "packages/proxy-server": ["storage-model", "http-transport", "waldur-client", "hpc-user-client"],
  "apps/storage-proxy": ["proxy-server", "storage-model", "http-transport"],
  "apps/provisioner": ["proxy-server", "storage-client", "storage-model", "http-transport", "waldur-client"],
  "apps/sandbox": [],
  "tools/harness": ["sandbox"],
  "tools/oracle": ["sandbox"],
  "tools/soak": ["harness", "oracle", "sandbox"],
  "tools/bench": ["harness", "sandbox"],
  "tools/release": ["harness", "sandbox"],
  "tools/deploy": ["harness", "sandbox"],
  "tools/api": ["harness", "sandbox"],
  "tools/api-reference": [],
  "tools/site": [],
  "tools/docs": ["proxy-server", "storage-model", "harness", "sandbox"],
  "tools/demo": ["harness", "sandbox"],
}

const proxyServer = "packages/proxy-server/src"
/**
 * The folders of proxy-server, highest first: each imports only from those below it. Files beside the folders are above
 * all of them.
 */
const foldersFromTheTop = `commands wiring routes openapi http auth serving replication persistence refresh snapshot
  config config-sources concurrency observability`.split(/\s+/)
/** A folder with a larger share of the package's lines mixes several concerns. */
const maxShare = 0.2

const workspaces = Object.keys(mayImport)
const unlisted = ["packages", "apps", "tools"]
  .flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`))
  .filter((workspace) => !workspaces.includes(workspace))
if (unlisted.length > 0)
  throw new Error(`Declare in tools/docs/src/check-layers.ts which workspaces ${unlisted.join(", ")} may import`)

type Rule = IRegularForbiddenRuleType
const rule = (name: string, from: Rule["from"], to: Rule["to"]): Rule => ({ name, severity: "error", from, to })
const anyWorkspace = "^(packages|apps|tools)/"
const forbidden = [
  rule("no-cycle", {}, { circular: true }),
  rule("no-unresolved-import", {}, { couldNotResolve: true }),
  ...foldersFromTheTop.map((folder, index) => {
    const pathNot = `^${proxyServer}/(${foldersFromTheTop.slice(index).join("|")})/`
    const from = { path: `^${proxyServer}/${folder}/` }
    return rule(`${folder}-of-proxy-server-imports-only-down`, from, { path: `^${proxyServer}/`, pathNot })
  }),
  ...Object.entries(mayImport).flatMap(([workspace, allowed]) => {
    const sources = { path: `^${workspace}/src/` }
    const notOwn = (names: ReadonlyArray<string>) => ({
      path: anyWorkspace,
      pathNot: [`^${workspace}/`, ...names.map((name) => `${anyWorkspace}${name}/src/index\\.ts$`)],
    })
    const forTests = notOwn([...allowed, "sandbox", "harness"])
    return [
      rule(`sources-of-${workspace}-import-only-down`, sources, notOwn(allowed)),
      rule(`tests-of-${workspace}-import-only-down`, { path: `^${workspace}/test[a-z-]*/` }, forTests),
      rule(`sources-of-${workspace}-import-no-test`, sources, { path: "^[^/]+/[^/]+/test[a-z-]*/" }),
    ]
  }),
]

const linesOf = (folder: string): number =>
  globSync(`${folder}/**/*.*`).reduce((sum, path) => sum + readFileSync(path, "utf8").split("\n").length - 1, 0)
const tooLarge = foldersFromTheTop.filter(
  (folder) => linesOf(`${proxyServer}/${folder}`) > maxShare * linesOf(proxyServer),
)
const unlistedFolders = readdirSync(proxyServer).filter(
  (name) => !/\.ts$/.test(name) && !foldersFromTheTop.includes(name),
)
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
  console.log(`${proxyServer}/${folder} holds more than ${maxShare * 100} % of the package's lines`)
process.exitCode = summary.error > 0 || tooLarge.length > 0 ? 1 : 0

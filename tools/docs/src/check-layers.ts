/**
 * Holds the picture of the house (ARCHITECTURE.md): imports point only down the layers, no cycle, one door per package,
 * and what is shipped never sees the sandbox. Ends with exit code 1 and a line for each import that is not allowed.
 */
import { readdirSync } from "node:fs"
import { cruise, type ICruiseResult, type IForbiddenRuleType } from "dependency-cruiser"

/** For each workspace the others whose door its sources may use; the tests of any may use the sandbox and the harness too. */
const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  "packages/storage-model": [],
  "packages/http-transport": [],
  "packages/waldur-client": ["packages/http-transport"],
  "packages/hpc-user-client": ["packages/http-transport"],
  "packages/proxy-server": [
    "packages/storage-model",
    "packages/http-transport",
    "packages/waldur-client",
    "packages/hpc-user-client",
  ],
  "apps/storage-proxy": ["packages/proxy-server", "packages/http-transport"],
  "apps/sandbox": [],
  "tools/harness": ["apps/sandbox"],
  "tools/oracle": ["apps/sandbox"],
  "tools/soak": ["tools/harness", "tools/oracle", "apps/sandbox"],
  "tools/bench": ["tools/harness", "apps/sandbox"],
  "tools/release": ["tools/harness", "apps/sandbox"],
  "tools/deploy": ["tools/harness", "apps/sandbox"],
  "tools/api": ["tools/harness", "apps/sandbox"],
  "tools/api-reference": [],
  "tools/docs": ["packages/proxy-server", "tools/harness", "apps/sandbox"],
  "tools/demo": ["tools/harness", "apps/sandbox"],
}

const workspaces = Object.keys(mayImport)
const unlisted = ["packages", "apps", "tools"]
  .flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`))
  .filter((workspace) => !workspaces.includes(workspace))
if (unlisted.length > 0) throw new Error(`Say in tools/docs/src/check-layers.ts what ${unlisted.join(", ")} may import`)

const doorOf = (workspace: string) => `^${workspace}/src/index\\.ts$`
const forbidden: Array<IForbiddenRuleType> = [
  { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
  { name: "no-unresolved-import", severity: "error", from: {}, to: { couldNotResolve: true } },
  ...workspaces.flatMap((workspace): Array<IForbiddenRuleType> => {
    const allowed = mayImport[workspace] ?? []
    return [
      {
        name: `sources-of-${workspace}-import-only-down`,
        severity: "error",
        from: { path: `^${workspace}/src/` },
        to: { path: "^(packages|apps|tools)/", pathNot: [`^${workspace}/`, ...allowed.map(doorOf)] },
      },
      {
        name: `tests-of-${workspace}-import-only-down`,
        severity: "error",
        from: { path: `^${workspace}/test[a-z-]*/` },
        to: {
          path: "^(packages|apps|tools)/",
          pathNot: [`^${workspace}/`, ...[...allowed, "apps/sandbox", "tools/harness"].map(doorOf)],
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

const { output } = await cruise(["packages", "apps", "tools"], {
  ruleSet: { forbidden },
  validate: true,
  exclude: { path: "(^|/)(dist|node_modules)/" },
  tsPreCompilationDeps: true,
  preserveSymlinks: false,
  enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "default"] },
})
const { summary } = output as ICruiseResult
// With a TypeScript that it cannot read, dependency-cruiser finds no module, and so no fault.
if (summary.totalCruised < 50) throw new Error(`Only ${summary.totalCruised} modules were read: the check is blind`)
for (const { rule, from, to } of summary.violations) console.log(`${rule.name}: ${from} -> ${to}`)
console.log(
  `${summary.totalCruised} modules, ${summary.totalDependenciesCruised} imports, ${summary.error} not allowed`,
)
process.exitCode = summary.error > 0 ? 1 : 0

/**
 * `pnpm run check:deployment`: checks deploy/ and .github/. The image's folder is built by the Dockerfile's own
 * commands in a clean copy, and started; Dockerfile, workflows, unit, chart, alerts and dashboard are checked by their
 * own linters. Exit code 1 if anything is wrong. An unavailable linter is reported; with `--all`, as in the gate, it is
 * an error.
 */
import { globSync, readFileSync } from "node:fs"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { reportedStep, run, scratchFolder, Unavailable } from "@cscs/harness"
import { buildApp } from "./built-app.ts"
import { configOf, lintChart, testCommandOf, validateChart } from "./chart.ts"
import * as linters from "./linters.ts"
import { checkMonitoring, dashboardQueries } from "./monitoring.ts"
import { startApp } from "./started-app.ts"
import { checkUnits } from "./systemd-unit.ts"

const workspace = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "")
const deploy = join(workspace, "deploy")
const chart = join(deploy, "helm/storage-proxy")
/** Used if there is no Helm to render one. */
const exampleConfig = join(deploy, "systemd/config.example.yaml")
const scratch = scratchFolder("deployment")

const needed = (tool: string | undefined): string => {
  if (tool === undefined) throw new Unavailable("not checked: its linter is unavailable here")
  return tool
}

const check = <A>(name: string, act: () => Promise<A> | A, words?: (result: A) => string) =>
  reportedStep(name, act, words, !process.argv.includes("--all"))

await mkdir(`${scratch}/image`)
// Not only for root: the image's user must traverse it.
await chmod(scratch, 0o755)
const app = await check(
  "the Dockerfile's build, in a clean copy",
  () => buildApp(workspace, `${scratch}/image`),
  () => "made the folder of the image",
)
const helm = await linters.helm()
const config = await check(
  "Helm chart: config.yaml",
  () => configOf(needed(helm), chart),
  () => "in order",
)
const started =
  app === undefined
    ? undefined
    : await check(
        "the folder, started as the image does",
        async () => {
          const test = helm === undefined ? undefined : await testCommandOf(helm, chart)
          return startApp(workspace, app, `${scratch}/image`, config ?? readFileSync(exampleConfig, "utf8"), test)
        },
        ({ seen }) => seen,
      )
await check("alerts and dashboard", () => checkMonitoring(workspace, started?.metrics))
await check("Dockerfile: hadolint", async () => {
  const flags = ["--no-color", "--failure-threshold", "info", join(deploy, "Dockerfile")]
  return (await run(needed(await linters.hadolint()), flags)) || "no findings"
})
await check("workflows: actionlint", async () => {
  const workflows = globSync(join(workspace, ".github/workflows/*.yml"))
  return (await run(needed(await linters.actionlint()), ["-no-color", ...workflows])) || "no findings"
})
await check("systemd units", () => checkUnits(needed(linters.systemdAnalyze), workspace, scratch))
await check("Helm chart: helm lint", () => lintChart(needed(helm), chart))
await check("Helm chart: kubeconform", async () => {
  const kubernetes = needed(await linters.kubernetesSchemas())
  const operator = needed(await linters.operatorSchemas())
  const schema = "{{.ResourceKind}}{{.KindSuffix}}.json"
  return validateChart(
    needed(helm),
    needed(await linters.kubeconform()),
    [`${kubernetes}/{{.NormalizedKubernetesVersion}}-local{{.StrictSuffix}}/${schema}`, `${operator}/${schema}`],
    chart,
  )
})
await check("alerts, their tests, and the dashboard's queries: promtool", async () => {
  const promtool = needed(await linters.promtool())
  const queries = `${scratch}/queries.yaml`
  await writeFile(queries, await dashboardQueries(workspace))
  const rules = await run(promtool, ["check", "rules", "--lint=all", join(deploy, "prometheus/alerts.yaml")])
  const tests = await run(promtool, ["test", "rules", ...globSync(join(deploy, "prometheus/*.test.yaml"))])
  const asked = await run(promtool, ["check", "rules", "--lint=none", queries])
  return `${rules} ${tests} ${asked}`.match(/SUCCESS.*/g)?.join(", ") ?? ""
})

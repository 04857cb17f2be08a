/**
 * `pnpm run check:deployment`: checks deploy/ and .github/. The image's folder is built by the Dockerfile's own
 * commands in a clean copy, and started; Dockerfile, workflows, unit, chart, alerts and dashboard are checked by their
 * own linters. Exit code 1 if anything is wrong, or if a linter is unavailable.
 */
import { globSync } from "node:fs"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { reportedStep, run, scratchFolder } from "@cscs/harness"
import { buildApp } from "./built-app.ts"
import { configOf, lintChart, testCommandOf, validateChart } from "./chart.ts"
import * as linters from "./linters.ts"
import { checkMonitoring, dashboardQueries } from "./monitoring.ts"
import { startApp } from "./started-app.ts"
import { checkUnits } from "./systemd-unit.ts"

const workspace = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "")
const deploy = join(workspace, "deploy")
const chart = join(deploy, "helm/storage-proxy")
const scratch = scratchFolder("deployment")

await mkdir(`${scratch}/image`)
// Not only for root: the image's user must traverse it.
await chmod(scratch, 0o755)
const app = await reportedStep(
  "the Dockerfile's build, in a clean copy",
  () => buildApp(workspace, `${scratch}/image`),
  () => "made the folder of the image",
)
const helm = await reportedStep("Helm", linters.helm)
const start = async (app: string, helm: string) => {
  const [config, test] = [await configOf(helm, chart), await testCommandOf(helm, chart)]
  return startApp(app, `${scratch}/image`, config, test)
}
const started =
  app === undefined || helm === undefined
    ? undefined
    : await reportedStep(
        "the folder, started as the image does",
        () => start(app, helm),
        ({ seen }) => seen,
      )
await reportedStep("alerts and dashboard", () => checkMonitoring(workspace, started?.metrics))
await reportedStep("Dockerfile: hadolint", async () => {
  const flags = ["--no-color", "--failure-threshold", "info", join(deploy, "Dockerfile")]
  return (await run(await linters.hadolint(), flags)) || "no findings"
})
await reportedStep("workflows: actionlint", async () => {
  const workflows = globSync(join(workspace, ".github/workflows/*.yml"))
  return (await run(await linters.actionlint(), ["-no-color", ...workflows])) || "no findings"
})
await reportedStep("systemd units", () => checkUnits(workspace, scratch))
if (helm !== undefined) {
  await reportedStep("Helm chart: helm lint", () => lintChart(helm, chart))
  await reportedStep("Helm chart: kubeconform", () => validateChart(helm, chart))
}
await reportedStep("alerts, their tests, and the dashboard's queries: promtool", async () => {
  const promtool = await linters.promtool()
  const queries = `${scratch}/queries.yaml`
  await writeFile(queries, await dashboardQueries(workspace))
  const rules = await run(promtool, ["check", "rules", "--lint=all", join(deploy, "prometheus/alerts.yaml")])
  const tests = await run(promtool, ["test", "rules", ...globSync(join(deploy, "prometheus/*.test.yaml"))])
  const asked = await run(promtool, ["check", "rules", "--lint=none", queries])
  return `${rules} ${tests} ${asked}`.match(/SUCCESS.*/g)?.join(", ") ?? ""
})

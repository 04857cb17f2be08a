/**
 * `pnpm run check:deployment`: checks deploy/ and .github/. It builds the images' folders with the Dockerfiles' own
 * commands in a clean copy, and starts them; and it runs the linters for Dockerfiles, workflows, units, charts, alerts and
 * the dashboard. Exit code 1 if anything is wrong, or if a linter is unavailable.
 */
import { globSync } from "node:fs"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { reportedStep, run, scratchFolder, stagesOf, wordsOf } from "@cscs/harness"
import { buildApps } from "./built-app.ts"
import { configOf, lintChart, testCommandOf, validateChart } from "./chart.ts"
import * as linters from "./linters.ts"
import { checkMonitoring, dashboardQueries } from "./monitoring.ts"
import { startApp } from "./started-app.ts"
import { checkUnits } from "./systemd-unit.ts"

const workspace = join(import.meta.dirname, "../../..")
const deploy = join(workspace, "deploy")
const chart = join(deploy, "helm/storage-proxy")
const charts = [chart, join(deploy, "helm/storage-provisioner")]
const scratch = scratchFolder("deployment")

await mkdir(`${scratch}/image`)
// The image's user must be able to traverse it.
await chmod(scratch, 0o755)
const [app, provisioner]: ReadonlyArray<string> =
  (await reportedStep(
    "the Dockerfiles' builds in a clean copy",
    () => buildApps(workspace, `${scratch}/image`),
    () => "built the images' folders",
  )) ?? []
if (provisioner !== undefined) {
  await reportedStep("the provisioner's folder, started as in the image", async () => {
    const [, stage = []] = await stagesOf(join(deploy, "provisioner.Dockerfile"))
    const [command = "", ...flags] = [...wordsOf(stage, "ENTRYPOINT"), "--version"]
    const started = { env: { PATH: dirname(process.execPath) }, cwd: "/" }
    return run(command.replace(/^\/app(?=\/)/, provisioner), flags, started)
  })
}
const helm = await reportedStep("Helm", linters.helm)
let metrics: ReadonlySet<string> | undefined
if (app !== undefined && helm !== undefined) {
  await reportedStep("the proxy's folder, started as in the image", async () => {
    const [config, test] = [await configOf(helm, chart), await testCommandOf(helm, chart)]
    const started = await startApp(app, `${scratch}/image`, config, test)
    metrics = started.metrics
    return started.seen
  })
}
await reportedStep("alerts and dashboard", () => checkMonitoring(workspace, metrics))
await reportedStep("Dockerfiles: hadolint", async () => {
  const flags = ["--no-color", "--failure-threshold", "info", ...globSync(join(deploy, "*Dockerfile"))]
  return (await run(await linters.hadolint(), flags)) || "no findings"
})
await reportedStep("workflows: actionlint", async () => {
  const workflows = globSync(join(workspace, ".github/workflows/*.yml"))
  return (await run(await linters.actionlint(), ["-no-color", ...workflows])) || "no findings"
})
await reportedStep("systemd units", () => checkUnits(workspace, scratch))
if (helm !== undefined) {
  for (const one of charts) {
    await reportedStep(`Helm chart ${basename(one)}: helm lint`, () => lintChart(helm, one))
    await reportedStep(`Helm chart ${basename(one)}: kubeconform`, () => validateChart(helm, one))
  }
}
await reportedStep("alerts, their tests, and the dashboard's queries: promtool", async () => {
  const promtool = await linters.promtool()
  const queries = `${scratch}/queries.yaml`
  await writeFile(queries, await dashboardQueries(workspace))
  const rules = await run(promtool, ["check", "rules", "--lint=all", join(deploy, "prometheus/alerts.yaml")])
  const tests = await run(promtool, ["test", "rules", ...globSync(join(deploy, "prometheus/*.test.yaml"))])
  const checked = await run(promtool, ["check", "rules", "--lint=none", queries])
  return `${rules} ${tests} ${checked}`.match(/SUCCESS.*/g)?.join(", ") ?? ""
})

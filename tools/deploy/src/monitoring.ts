/** Checks of the alerts and the dashboard. */
import { globSync, readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { readYaml } from "./read-yaml.ts"

/** An alert in Prometheus' format. */
interface Alert {
  readonly alert: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** Metrics that exist only with a certain setting. */
const optional = new Set(["storage_proxy_shared_cache_up"])

/**
 * Checks what linters do not: that each alert has a duration, a severity, a summary, a description, a runbook link and a test
 * in which it fires, that the runbook has that heading, and that alerts and dashboard use only metrics that the proxy exports.
 * Returns a summary line; throws an error that lists all faults.
 *
 * @param metrics the names of a running proxy's metrics; undefined if none is running
 */
export const checkMonitoring = async (workspace: string, metrics: ReadonlySet<string> | undefined): Promise<string> => {
  const rules = await readFile(`${workspace}/deploy/prometheus/alerts.yaml`, "utf8")
  const dashboard = await readFile(`${workspace}/deploy/grafana/dashboard.json`, "utf8")
  const { panels } = JSON.parse(dashboard)
  const alerts: ReadonlyArray<Alert> = readYaml(rules)[0].groups.flatMap((group: { rules: unknown }) => group.rules)
  const tests = globSync(`${workspace}/deploy/prometheus/*.test.yaml`)
    .flatMap((path) => readYaml(readFileSync(path, "utf8"))[0].tests)
    .flatMap(({ promql_expr_test }) => promql_expr_test)
    .flatMap(({ exp_samples = [] }) => exp_samples.map(({ labels }: { labels: string }) => labels))
  const operations = await readFile(`${workspace}/docs/operations.md`, "utf8")
  const headings = new Set(Array.from(operations.matchAll(/^#+ +(.*)$/gm), ([, title]) => title))

  const faults: Array<string> = []
  for (const { alert, labels, annotations, ...rest } of alerts) {
    const runbook = `/docs/operations.md#${alert.toLowerCase()}`
    if (rest.for === undefined) faults.push(`${alert} has no duration (for)`)
    if (!/^(critical|warning)$/.test(labels?.severity ?? "")) faults.push(`${alert} has no valid severity`)
    if (!annotations?.summary || !annotations.description) faults.push(`${alert} has no summary or description`)
    if (!annotations?.runbook_url?.endsWith(runbook)) faults.push(`${alert} has no link to its runbook`)
    if (!tests.some((fired) => fired.includes(`alertname="${alert}"`))) faults.push(`no test expects ${alert}`)
    if (!headings.has(alert)) faults.push(`docs/operations.md has no heading "${alert}"`)
  }
  const named = `${rules}${dashboard}`.match(/\b(storage_proxy|process|nodejs)_[a-z0-9_]+/g) ?? []
  const used = new Set(named.map((name) => name.replace(/_bucket$/, "")))
  const absent = metrics === undefined ? [] : [...used].filter((name) => !metrics.has(name) && !optional.has(name))
  faults.push(...absent.map((name) => `the proxy exports no metric ${name}`))
  if (faults.length > 0) throw new Error(faults.join("\n"))
  const compared = metrics === undefined ? "; names not compared" : ""
  return `${alerts.length} alerts, ${panels.length} panels and rows, ${used.size} metrics${compared}`
}

/** The dashboard's queries as a rules file for promtool, with values for Grafana's variables. */
export const dashboardQueries = async (workspace: string): Promise<string> => {
  const dashboard = JSON.parse(await readFile(`${workspace}/deploy/grafana/dashboard.json`, "utf8"))
  const panels: ReadonlyArray<{ targets?: ReadonlyArray<{ expr: string }> }> = dashboard.panels
  const rules = panels
    .flatMap(({ targets = [] }) => targets)
    .map(({ expr }, index) => ({
      record: `query:${index}`,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(job|instance)/g, ".*"),
    }))
  // JSON is YAML too.
  return JSON.stringify({ groups: [{ name: "queries", rules }] })
}

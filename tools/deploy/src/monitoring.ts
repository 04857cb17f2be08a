import { globSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { readYaml } from "./read-yaml.ts"

interface Rules {
  readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }>
}

interface Rule {
  readonly alert: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** A promtool file of tests. */
interface AlertTests {
  readonly tests: ReadonlyArray<{
    readonly promql_expr_test: ReadonlyArray<{ readonly exp_samples?: ReadonlyArray<{ readonly labels: string }> }>
  }>
}

/** Present only with a setting. */
const optional = new Set(["storage_proxy_shared_cache_up"])

/**
 * Checks what no linter knows: that each alert has a severity, a runbook link and a test in which it fires, that the
 * runbook has that heading, and that alerts and dashboard use only metrics that the proxy exports. Returns a summary line.
 *
 * @param metrics the names from a running proxy; undefined if there is none
 */
export const checkMonitoring = async (workspace: string, metrics: ReadonlySet<string> | undefined): Promise<string> => {
  const rules = await readFile(`${workspace}/deploy/prometheus/alerts.yaml`, "utf8")
  const dashboard = await readFile(`${workspace}/deploy/grafana/dashboard.json`, "utf8")
  const { panels } = JSON.parse(dashboard)
  const [document] = readYaml<Rules>(rules)
  const alerts = document?.groups.flatMap((group) => group.rules) ?? []
  const tested = new Set(
    (await Promise.all(globSync(`${workspace}/deploy/prometheus/*.test.yaml`).map((path) => readFile(path, "utf8"))))
      .flatMap((text) => readYaml<AlertTests>(text))
      .flatMap(({ tests }) => tests.flatMap(({ promql_expr_test }) => promql_expr_test))
      .flatMap(({ exp_samples = [] }) => exp_samples.map(({ labels }) => /alertname="(\w+)"/.exec(labels)?.[1])),
  )
  const operations = await readFile(`${workspace}/docs/operations.md`, "utf8")
  const headings = new Set(Array.from(operations.matchAll(/^#+ +(.*)$/gm), ([, title]) => title))

  const faults: Array<string> = []
  for (const { alert, labels, annotations, ...rest } of alerts) {
    if (rest.for === undefined) faults.push(`${alert} has no duration (for)`)
    if (!/^(critical|warning)$/.test(labels?.severity ?? "")) faults.push(`${alert} has no valid severity`)
    if (!annotations?.summary || !annotations.description) faults.push(`${alert} has no summary or description`)
    if (!annotations?.runbook_url?.endsWith(`/docs/operations.md#${alert.toLowerCase()}`)) {
      faults.push(`${alert} leads to no runbook`)
    }
    if (!tested.has(alert)) faults.push(`no test expects ${alert}`)
    if (!headings.has(alert)) faults.push(`docs/operations.md has no heading "${alert}"`)
  }
  const asked = new Set(
    Array.from(`${rules}${dashboard}`.matchAll(/\b(storage_proxy|process|nodejs)_[a-z0-9_]+/g), ([name]) =>
      name.replace(/_bucket$/, ""),
    ),
  )
  if (metrics !== undefined) {
    for (const name of asked) if (!metrics.has(name) && !optional.has(name)) faults.push(`no such metric: ${name}`)
  }
  if (faults.length > 0) throw new Error(faults.join("\n"))
  const compared = metrics === undefined ? "; names not compared" : ""
  return `${alerts.length} alerts, ${panels.length} panels and rows, ${asked.size} metrics${compared}`
}

/** The queries of the dashboard's panels as a rules file for promtool, with Grafana's variables filled in. */
export const dashboardQueries = async (workspace: string): Promise<string> => {
  interface Panel {
    readonly targets?: ReadonlyArray<{ readonly expr: string }>
  }
  const { panels } = JSON.parse(await readFile(`${workspace}/deploy/grafana/dashboard.json`, "utf8"))
  const queries = (panels as ReadonlyArray<Panel>).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  const rules = queries.map((expr, index) => ({
    record: `query:${index}`,
    expr: expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(job|instance)/g, ".*"),
  }))
  // JSON is YAML too.
  return JSON.stringify({ groups: [{ name: "queries", rules }] })
}

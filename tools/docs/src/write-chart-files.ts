/**
 * Writes the Helm chart's copies of other files: the settings' schema within values.schema.json, and the alerts and the
 * dashboard. With `--check` it only reports stale ones.
 */
import { readFileSync } from "node:fs"
import { chartConfigSchema } from "@cscs/proxy-server"
import { writeOrCheck } from "./write-or-check.ts"

const chart = "deploy/helm/storage-proxy"
const schema = JSON.parse(readFileSync(`${chart}/values.schema.json`, "utf8"))
schema.properties.config = chartConfigSchema()
writeOrCheck({
  [`${chart}/values.schema.json`]: `${JSON.stringify(schema, null, 2)}\n`,
  [`${chart}/files/alerts.yaml`]: readFileSync("deploy/prometheus/alerts.yaml", "utf8"),
  [`${chart}/files/dashboard.json`]: readFileSync("deploy/grafana/dashboard.json", "utf8"),
})

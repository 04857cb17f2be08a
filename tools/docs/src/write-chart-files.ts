/**
 * Writes the parts of the Helm charts that derive from other files: versions and image tags from the processes' versions; and for the
 * proxy's chart the schema of the settings in values.schema.json, and copies of the alerts and the dashboard (not links, which a
 * copied or packaged chart would lose). With `--check` it writes nothing, and exits with 1 if a file is stale.
 */
import { readFileSync } from "node:fs"
import { chartConfigSchema } from "@cscs/proxy-server"
import { writeOrCheck } from "./write-or-check.ts"

const chart = "deploy/helm/storage-proxy"
const schemaPath = `${chart}/values.schema.json`
const schema = JSON.parse(readFileSync(schemaPath, "utf8"))
/** Until the first release the manifests have 0.0.0, for which no image will ever exist. */
const firstRelease = "1.0.0"
const chartOf = (name: string, app: string) => {
  const { version: current } = JSON.parse(readFileSync(`apps/${app}/package.json`, "utf8"))
  const path = `deploy/helm/${name}/Chart.yaml`
  const version = current === "0.0.0" ? firstRelease : current
  return { [path]: readFileSync(path, "utf8").replaceAll(/^(version|appVersion): .*$/gm, `$1: ${version}`) }
}
const files = {
  ...chartOf("storage-proxy", "storage-proxy"),
  ...chartOf("storage-provisioner", "provisioner"),
  [schemaPath]: `${JSON.stringify({ ...schema, properties: { ...schema.properties, config: chartConfigSchema() } }, null, 2)}\n`,
  [`${chart}/files/alerts.yaml`]: readFileSync("deploy/prometheus/alerts.yaml", "utf8"),
  [`${chart}/files/dashboard.json`]: readFileSync("deploy/grafana/dashboard.json", "utf8"),
}

writeOrCheck(files)

/** Prints what a provisioner would do for each entry of the list, by docs/integrators.md, "What to do". Changes nothing. */
import createClient from "openapi-fetch"
import type { components, paths } from "./schema.d.ts"

type Entry = components["schemas"]["StorageEntry"]

const { PROXY_URL: baseUrl = "http://127.0.0.1:8080", PROXY_TOKEN: token = "" } = process.env
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } })

/** The whole list. Throws unless it is whole. */
const readList = async (): Promise<ReadonlyArray<Entry>> => {
  const { data, error, response } = await client.GET("/api/storage-resources/", {
    params: { header: { "Cache-Control": "no-cache" } },
    headers: { Accept: "application/x-ndjson" },
    parseAs: "text",
  })
  if (data === undefined) throw new Error(`the list cannot be read: ${response.status} ${JSON.stringify(error)}`)
  const lines = String(data).split("\n").slice(0, -1)
  const total = Number(response.headers.get("X-Total-Count"))
  if (lines.length !== total) throw new Error(`the list is not whole: ${lines.length} of ${total} entries`)
  return lines.map((line): Entry => JSON.parse(line))
}

/** The owner's Unix group; none for a tenant or customer. */
const groupOf = ({ target }: Entry): number | undefined => {
  switch (target.targetType) {
    case "project":
      return target.targetItem.unixGid
    case "user":
      return target.targetItem.primaryProject.unixGid
    default:
      return undefined
  }
}

const quotasOf = (quotas: Entry["quotas"]): string =>
  quotas === null
    ? "as they are"
    : quotas.map(({ quota, unit }) => `${quota}${unit === "tera" ? " TB" : ""}`).join(", ")

/** The first row that fits. */
const planOf = (entry: Entry): string => {
  const { status, target, quotas } = entry
  const approves = entry.approve_by_provider_url !== undefined
  const isExecuting = entry.set_state_erred_url !== undefined
  const keep = (wanted = quotas) =>
    `group ${groupOf(entry)}, mode ${entry.permission.value}, quotas ${quotasOf(wanted)}`
  if (target.targetType === "tenant" || target.targetType === "customer") return "create if missing"
  if (status === "active") return `keep: ${keep()}${approves ? "; approve" : ""}`
  if (status === "removed") return "nothing"
  if (approves) return "approve"
  // Also for a removal: without a URL to report to, nothing is touched.
  if (!isExecuting) return "nothing"
  if (status === "pending") return `create: ${keep()}; report done`
  if (status === "updating")
    return `keep: ${keep(entry.newQuotas === undefined ? quotas : entry.newQuotas)}; report done`
  return status === "removing" ? "move to trash; report done" : "nothing"
}

for (const entry of await readList()) console.log(`${entry.mountPoint.default}\t${entry.status}\t${planOf(entry)}`)

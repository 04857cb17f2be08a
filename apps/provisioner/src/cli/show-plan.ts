/** A plan as text and as JSON. */
import { escapeControls } from "@cscs/proxy-server"
import type { Act, Plan } from "../plan/plan.ts"

/** JSON, in which quotas, which are bigints, are decimal strings. */
export const planJson = (value: unknown, indent = 2): string =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner), indent)

/** A line for each entry, and the counts. */
export const planText = ({ items, counts, etag }: Plan): string => {
  const lines = items.map(
    ({ sign, path, itemId, acts, note }) =>
      `${sign} ${escapeControls(path === "" ? itemId : path)}: ${escapeControls([...acts.map(actText), ...(note === undefined ? [] : [note])].join("; then "))}`,
  )
  const summary = `${counts["+"]} to create, ${counts["~"]} to change or report, ${counts["-"]} to remove, ${counts["!"]} for an operator (list ${etag})`
  return `${[...lines, summary].join("\n")}\n`
}

const actText = (act: Act): string => {
  switch (act.act) {
    case "folder":
      return `create the folder, mode ${act.mode.toString(8)}`
    case "create":
      return `create, group ${act.listed.gid}, mode ${act.listed.mode.toString(8)}, ${quotaText(act)}`
    case "change":
      return act.differences.length === 0
        ? `set group, mode and ${quotaText(act)}`
        : `change ${act.differences.join(", ")}`
    case "move":
      return `move from ${act.from}`
    case "restore":
      return "restore from the trash"
    case "trash":
      return `move ${act.path} to the trash`
    case "approve":
      return "approve the order"
    case "reject":
      return `reject the order: ${act.reason}`
    case "backend-id":
      return `report the backend id ${act.path}`
    case "done":
      return "report done"
    case "erred":
      return "report erred"
  }
}

const quotaText = ({ listed: { quotas } }: Extract<Act, { readonly listed: unknown }>): string =>
  quotas === null
    ? "quotas as they are"
    : Object.entries(quotas)
        .map(([kind, amount]) => `${kind} ${amount}`)
        .join(", ")

/** A plan as text and as JSON. */
import { escapeControls } from "@cscs/proxy-server"
import type { Act, Plan } from "../plan/plan.ts"

/**
 * A value as JSON. Bigints, which are quotas, become decimal strings.
 *
 * @param omitted the names of the fields to leave out, at any depth
 */
export const jsonWithBigints = (value: unknown, omitted: ReadonlyArray<string> = []): string =>
  JSON.stringify(
    value,
    (key, inner: unknown) => (omitted.includes(key) ? undefined : typeof inner === "bigint" ? String(inner) : inner),
    2,
  )

/** One line per item of the plan, then the counts. */
export const planText = ({ items, counts, etag }: Plan): string => {
  const lines = items.map(
    ({ sign, path, itemId, acts, note }) =>
      `${sign} ${escapeControls(path || itemId || "(no itemId)")}: ${escapeControls([...acts.map(actText), ...(note === undefined ? [] : [note])].join("; then "))}`,
  )
  const summary = `${counts["+"]} to create, ${counts["~"]} to change or report, ${counts["-"]} to remove, ${counts["!"]} for an operator (list ${etag})`
  return `${[...lines, escapeControls(summary)].join("\n")}\n`
}

const actText = (act: Act): string => {
  switch (act.act) {
    case "folder":
      return `create the folder, mode ${act.mode.toString(8)}`
    case "create":
      return `create, group ${act.listed.gid}, mode ${act.listed.mode.toString(8)}, ${quotaText(act)}`
    case "change":
      return act.differences.length === 0
        ? `set group and mode, ${quotaText(act)}`
        : `correct: ${act.differences.join("; ")}`
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

const quotaText = ({ act, listed: { quotas } }: Extract<Act, { readonly listed: unknown }>): string => {
  if (quotas === null) return act === "create" ? "no quotas" : "quotas unchanged"
  const amounts = Object.entries(quotas).map(([kind, amount]) =>
    kind.startsWith("space") ? `${kind} ${amount} bytes` : `${kind} ${amount}`,
  )
  return amounts.join(", ")
}

/** The shown entries as CSV and JSON. Pure. */
import type { StorageEntry } from "@cscs/storage-model"
import { limitsOf, nameOf, unixIdOf } from "./tree.ts"

const columns: ReadonlyArray<readonly [name: string, value: (entry: StorageEntry) => string | number | undefined]> = [
  ["storage_system", ({ storageSystem }) => storageSystem.key],
  ["data_type", ({ storageDataType }) => storageDataType.key],
  ["target", ({ target }) => target.targetType],
  ["name", nameOf],
  ["status", ({ status }) => status],
  ["mount_point", ({ mountPoint }) => mountPoint.default],
  ["permission", ({ permission }) => permission.value],
  ["unix_id", unixIdOf],
  ["space_soft_tb", ({ quotas }) => limitsOf(quotas)?.spaceSoft],
  ["space_hard_tb", ({ quotas }) => limitsOf(quotas)?.spaceHard],
  ["inodes_soft", ({ quotas }) => limitsOf(quotas)?.inodesSoft],
  ["inodes_hard", ({ quotas }) => limitsOf(quotas)?.inodesHard],
  ["item_id", ({ itemId }) => itemId],
  ["parent_item_id", ({ parentItemId }) => parentItemId ?? undefined],
]

/**
 * A value as a CSV cell. A spreadsheet runs a cell that begins with one of these characters as a formula, and names are
 * external data: an apostrophe in front makes the cell a text. Some locales, Swiss ones among them, separate cells by `;`.
 */
const cell = (value: string | number | undefined): string => {
  if (value === undefined || typeof value === "number") return String(value ?? "")
  const safe = value.replace(/(^|;)(?=[=+\-@\t\r\n])/g, "$1'")
  return `"${safe.replaceAll('"', '""')}"`
}

/** Formats entries as CSV (RFC 4180), with a header; space in TB. */
export const csvOf = (entries: ReadonlyArray<StorageEntry>): string =>
  [columns.map(([name]) => name), ...entries.map((entry) => columns.map(([, value]) => cell(value(entry))))]
    .map((cells) => `${cells.join(",")}\r\n`)
    .join("")

/** Formats entries as a JSON array, as in the API. */
export const jsonOf = (entries: ReadonlyArray<StorageEntry>): string => `${JSON.stringify(entries, undefined, 2)}\n`

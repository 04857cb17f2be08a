/** `storage-provisioner status`. */
import { escapeControls, replaceFile } from "@cscs/proxy-server"
import { inodesText, spaceText } from "@cscs/storage-model"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { Trashed } from "../drivers/driver.ts"
import type { Condition, ItemStatus } from "../loop/conditions.ts"
import { type ItemUsage, openOnDemandQuotas, type Used, usages } from "../loop/usage.ts"
import { CannotWrite } from "./cannot-write.ts"
import { jsonFlag, lookFlags } from "./flags.ts"
import { diskSession, readStatuses } from "./session.ts"
import { jsonWithBigints } from "./show-plan.ts"

/** Milliseconds in a day. */
const day = 86_400_000

type Row = ItemStatus & { readonly usage: ItemUsage | null; readonly usageError?: string }

export const status = Command.make(
  "status",
  {
    ...lookFlags,
    json: jsonFlag,
    openOndemand: Flag.String("open-ondemand").pipe(
      Flag.withDescription(
        "Write the quotas of projects to this file, as Open OnDemand reads them; with --system or --only, of those alone",
      ),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ json, openOndemand, ...flags }) {
    const { settings, scope, systems } = yield* diskSession(flags)
    const items = Object.values(yield* readStatuses(settings.statePath)).filter(
      ({ system, itemId }) => systems.drivers.has(system) && (scope.only === undefined || itemId === scope.only),
    )
    const read = yield* usages(items, systems)
    const rows = items.map((item, index): Row => {
      const usage = read[index] ?? null
      return usage !== null && "_tag" in usage
        ? { ...item, usage: null, usageError: usage.message }
        : { ...item, usage }
    })
    const now = Date.now()
    const trash = (yield* Effect.forEach(systems.drivers, ([system, driver]) =>
      Effect.map(driver.trashed(), (trashed) =>
        trashed.map((one) => ({ system, ...one, isExpired: isExpired(one, settings.retentionDays, now) })),
      ),
    ))
      .flat()
      .filter(({ itemId }) => scope.only === undefined || itemId === scope.only)
    if (Option.isSome(openOndemand)) {
      const quotas = yield* openOnDemandQuotas(rows.flatMap(({ usage, ...item }) => (usage ? [{ item, usage }] : [])))
      const path = openOndemand.value
      const text = `${JSON.stringify({ version: 1, timestamp: Math.floor(now / 1000), quotas })}\n`
      yield* Effect.tryPromise({
        try: () =>
          replaceFile(path, `${path}.${process.pid}`, 0o644, async (file) => {
            // Every user's dashboard reads the file, whatever the umask.
            await file.chmod(0o644)
            await file.writeFile(text)
          }),
        catch: (cause) => new CannotWrite({ path, reason: (cause as Error).message }),
      })
    }
    process.stdout.write(json ? `${jsonWithBigints({ items: rows, trash })}\n` : statusText(rows, trash))
  }, Effect.scoped),
).pipe(
  Command.withDescription(
    "Print each item's conditions as of the last cycle, what is used of its quota now, and what is in the trash. Changes nothing but the file of --open-ondemand.",
  ),
)

/**
 * Whether a directory has been in the trash for longer than `retentionDays`, so that an operator may delete it. Counts from the
 * end of the day of its removal: only the day is known.
 *
 * @param now milliseconds since 1970
 */
export const isExpired = ({ since }: Pick<Trashed, "since">, retentionDays: number, now: number): boolean =>
  now >= Date.parse(since) + (retentionDays + 1) * day

const statusText = (
  rows: ReadonlyArray<Row>,
  trash: ReadonlyArray<Trashed & { readonly system: string; readonly isExpired: boolean }>,
): string => {
  if (rows.length === 0 && trash.length === 0)
    return "Nothing to show: no cycle has recorded an item in scope, and its trash is empty.\n"
  const conditions = [
    ["status", "DirectoryReady", "QuotaApplied", "Reported", "directory"],
    ...rows.map(({ path, listedStatus, conditions: { DirectoryReady, QuotaApplied, Reported } }) => [
      listedStatus,
      ...[DirectoryReady, QuotaApplied, Reported].map(conditionText),
      path,
    ]),
  ]
  const measured = rows.filter(({ usage }) => usage !== null)
  const usage = [
    ["file system", "used", "%", "grace", "limit", "files", "%", "grace", "limit", "directory"],
    ...measured.map(({ path, system, usage }) => [
      system,
      ...columns(usage?.space, (bytes) => spaceText(bytes, "B")),
      ...columns(usage?.files, inodesText),
      path,
    ]),
  ]
  const problems = rows.flatMap(({ path, usageError, conditions }) => [
    ...(usageError === undefined ? [] : [`${path}: usage: ${usageError}`]),
    ...new Set(
      Object.values(conditions).flatMap(({ message }) => (message === undefined ? [] : [`${path}: ${message}`])),
    ),
  ])
  const removed = [
    ["in the trash", "file system", "item", "removed on", ""],
    ...trash.map(({ name, system, itemId, since, isExpired }) => [
      name,
      system,
      itemId,
      since,
      isExpired ? "expired" : "",
    ]),
  ]
  return [rows.length === 0 ? [] : conditions, measured.length === 0 ? [] : usage, trash.length === 0 ? [] : removed]
    .map(table)
    .concat(problems.map(escapeControls).join("\n"))
    .filter((part) => part !== "")
    .map((part) => `${part}\n`)
    .join("\n")
}

const conditionText = ({ status, reason, since }: Condition): string =>
  `${status} ${reason} since ${since.slice(0, 16)}Z`

const columns = (used: Used | null | undefined, text: (amount: bigint) => string): ReadonlyArray<string> => {
  if (used === null || used === undefined) return ["-", "-", "-", "-"]
  const limit = used.hard ?? used.soft
  return [
    text(used.used),
    used.percent === undefined ? "-" : String(used.percent),
    used.isInGrace ? "runs" : "-",
    limit === undefined ? "-" : text(limit),
  ]
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const shown = rows.map((row) => row.map(escapeControls))
  const widths = (shown[0] ?? []).map((_, column) =>
    shown.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  )
  return shown
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}

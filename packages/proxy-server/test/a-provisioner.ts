import type { Disk } from "./a-disk.ts"
import type { Any } from "./a-proxy.ts"

/** Sends a report to Waldur; returns the status of its response, or `undefined` if none came. */
export type Report = (url: string, body?: object) => Promise<number | undefined>

/** The context of a provisioner that follows the document. */
export interface Around {
  readonly disk: Disk
  readonly report: Report
  /** Whether this provider rejects the entry's order. */
  readonly rejects: (entry: Any) => boolean
  /** Whether it reports the quotas that it will set as options. */
  readonly reportsOptions: boolean
  /** Whether it reports a directory's path before it reports an order done. */
  readonly reportsPaths: boolean
  /** Failures of its own work so far, by `itemId`; lost when it restarts. */
  readonly failures: Map<string, number>
}

export interface Rule {
  /** The row of the table in docs/integrators.md, verbatim. */
  readonly row: readonly [status: string, callbackUrls: string, whatToDo: string]
  readonly fits: (entry: Any) => boolean
  readonly act: (around: Around, entry: Any) => Promise<void> | void
}

/** Failures of its own work before it reports the order erred. */
const maxFailures = 3

const isAbove = ({ target }: Any) => target.targetType === "tenant" || target.targetType === "customer"
const isPending = ({ approve_by_provider_url }: Any) => approve_by_provider_url !== undefined
const isExecuting = ({ set_state_erred_url }: Any) => set_state_erred_url !== undefined
const has =
  (status: string, ...others: ReadonlyArray<(entry: Any) => boolean>) =>
  (entry: Any) =>
    entry.status === status && others.every((fits) => fits(entry))

export const quotasOf = (quotas: Any): ReadonlyArray<number> | null => quotas?.map(({ quota }: Any) => quota) ?? null

const gidOf = ({ target: { targetItem } }: Any): number => targetItem.unixGid ?? targetItem.primaryProject.unixGid

/** Keeps the directory as listed: at its mount point, with its owner, mode and quotas. Returns whether it succeeded. */
export const keepAsListed = ({ disk }: Around, entry: Any, quotas: Any = entry.quotas): boolean => {
  const path: string = entry.mountPoint.default
  const known = disk.pathOf(entry.itemId)
  if (known !== path && !disk.isFree(path)) return false
  if (known !== undefined && known !== path) disk.move(known, path)
  else if (known === undefined && disk.trash.has(entry.itemId)) disk.takeBack(entry.itemId, path)
  else if (known === undefined) disk.make(path, entry.itemId)
  const settings = { mode: entry.permission.value, gid: gidOf(entry) }
  const set = disk.directories.get(path)?.quotas ?? null
  disk.set(path, { ...settings, quotas: quotasOf(quotas) ?? set })
  return true
}

/** Asks Waldur to start the order, or to reject it. */
export const approve = async (around: Around, entry: Any): Promise<void> => {
  if (around.rejects(entry)) return void (await around.report(entry.reject_by_provider_url))
  const status = await around.report(entry.approve_by_provider_url)
  if (status === 200) await reportOptions(around, entry)
}

export const reportOptions = async ({ report, reportsOptions }: Around, entry: Any): Promise<void> => {
  const [soft, hard, softInodes, hardInodes] = quotasOf(entry.newQuotas ?? entry.quotas) ?? []
  const isTerminate = entry.status !== "pending" && entry.newQuotas === undefined
  if (!reportsOptions || soft === undefined || isTerminate) return
  const options = {
    soft_quota_space: soft,
    hard_quota_space: hard,
    soft_quota_inodes: softInodes,
    hard_quota_inodes: hardInodes,
  }
  for (let tries = 0; tries < 5; tries += 1) {
    if ((await report(entry.update_resource_options_url, { options })) === 200) return
  }
}

/** Does the order's work and then reports it done; reports it erred if the work fails again and again. */
export const finish = async (around: Around, entry: Any, work: () => boolean): Promise<void> => {
  const { failures, report, reportsPaths } = around
  try {
    if (!work()) return
    failures.delete(entry.itemId)
    const backend_id = entry.mountPoint.default
    if (!reportsPaths || (await report(entry.set_backend_id_url, { backend_id })) === 200) {
      await report(entry.set_state_done_url)
    }
  } catch (error) {
    const count = (failures.get(entry.itemId) ?? 0) + 1
    failures.set(entry.itemId, count)
    const reason = { error_message: error instanceof Error ? error.message : "", error_traceback: "" }
    if (count >= maxFailures) await report(entry.set_state_erred_url, reason)
  }
}

const nothing = () => {}

/** The table "What to do" of docs/integrators.md, row by row; the first match applies. */
export const rules: ReadonlyArray<Rule> = [
  {
    row: [
      "`pending`",
      "any, of a tenant or customer",
      "Create the directory if it is missing. Never move or remove it",
    ],
    fits: has("pending", isAbove),
    act: ({ disk }, { mountPoint }) => disk.makeParent(mountPoint.default),
  },
  {
    row: [
      "`pending`, `updating`, `removing`, `error`",
      "`approve_by_provider_url`",
      "Approve the order, or reject it. Change nothing on the disk",
    ],
    fits: (entry) => isPending(entry) && ["pending", "updating", "removing", "error"].includes(entry.status),
    act: approve,
  },
  {
    row: [
      "`pending`",
      "`set_state_erred_url`",
      "Create the directory [as listed](#as-listed), then report the order done (`set_state_done_url`)",
    ],
    fits: has("pending", isExecuting),
    act: (around, entry) => finish(around, entry, () => keepAsListed(around, entry)),
  },
  { row: ["`pending`", "neither", "Nothing"], fits: has("pending"), act: nothing },
  {
    row: [
      "`active`",
      "`approve_by_provider_url`",
      "Keep the directory as listed, with `quotas`. Approve the order, or reject it. With `newQuotas` it is an Update; without them, most likely a Terminate",
    ],
    fits: has("active", isPending),
    act: async (around, entry) => {
      tried(() => keepAsListed(around, entry))
      await approve(around, entry)
    },
  },
  {
    row: [
      "`active`",
      "`set_state_erred_url`",
      "Keep the directory as listed, with `quotas`. Report nothing: Waldur's worker has not started the order yet",
    ],
    fits: has("active", isExecuting),
    act: (around, entry) => void tried(() => keepAsListed(around, entry)),
  },
  {
    row: ["`active`", "neither", "Keep the directory as listed"],
    fits: has("active"),
    act: (around, entry) => void tried(() => keepAsListed(around, entry)),
  },
  {
    row: [
      "`updating`",
      "`set_state_erred_url`",
      "Keep the directory as listed, but with `newQuotas` if there are any, then report the order done",
    ],
    fits: has("updating", isExecuting),
    act: (around, entry) =>
      finish(around, entry, () =>
        keepAsListed(around, entry, entry.newQuotas === undefined ? entry.quotas : entry.newQuotas),
      ),
  },
  {
    row: [
      "`updating`",
      "neither",
      "Nothing. If this persists, the order ended before Waldur's worker ran: alert a person",
    ],
    fits: has("updating"),
    act: nothing,
  },
  {
    row: [
      "`removing`",
      "`set_state_erred_url`",
      "Move the directory of this `itemId`, and no other, to the trash, then report the order done",
    ],
    fits: has("removing", isExecuting),
    act: (around, entry) =>
      finish({ ...around, reportsPaths: false }, entry, () => {
        const path = around.disk.pathOf(entry.itemId)
        if (path !== undefined) around.disk.moveToTrash(path)
        return true
      }),
  },
  { row: ["`removing`", "neither", "Nothing"], fits: has("removing"), act: nothing },
  {
    row: ["`error`", "any other", "Nothing. A person fixes the cause and posts to `set_state_ok_url`"],
    fits: has("error"),
    act: nothing,
  },
  {
    row: [
      "`removed`",
      "any",
      "Nothing. If the directory still exists, alert a person. The entry stays in the list for good",
    ],
    fits: has("removed"),
    act: nothing,
  },
]

/** Failed work is tried again in the next cycle. */
const tried = (work: () => unknown): void => {
  try {
    work()
  } catch {}
}

/** One cycle: applies the first matching rule to each entry of a complete list; ends early if `dies` returns true. */
export const actOn = async (
  entries: ReadonlyArray<Any>,
  around: Around,
  dies: () => boolean,
  by: ReadonlyArray<Rule> = rules,
): Promise<void> => {
  for (const entry of entries) {
    if (dies()) return
    await by.find(({ fits }) => fits(entry))?.act(around, entry)
  }
}

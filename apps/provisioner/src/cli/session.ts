/** What a command uses: settings, drivers, clients and, if it changes something, the locks and the journal. */
import { mkdirSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { replaceFile } from "@cscs/proxy-server"
import { type EntryList, StorageClient } from "@cscs/storage-client"
import { WaldurClient } from "@cscs/waldur-client"
import { Data, Effect, Layer, Option, type Scope } from "effect"
import type { DriverError, Reader } from "../drivers/driver.ts"
import { type DriverSettings, openDriver, openReader } from "../drivers/open-driver.ts"
import { openJournal, readJournal } from "../journal/journal.ts"
import { holdLock, type LockFailed } from "../journal/lock.ts"
import { conditionsAfter, outOfScope, type Statuses } from "../loop/conditions.ts"
import { type CycleOutcome, type Scope as CycleScope, inScope, makeCycles } from "../loop/cycle.ts"
import { observeAll, type Systems } from "../loop/observe.ts"
import { type ActResult, isSuccess } from "../loop/perform.ts"
import { reportSender } from "../loop/report.ts"
import { plan } from "../plan/plan.ts"
import { loadSettings, type ProvisionerSettings } from "../settings/load-settings.ts"
import { type ScopeFlags, scopeOf } from "./flags.ts"
import { logLine } from "./log.ts"

/** No storage system of the settings has this name. */
export class UnknownSystem extends Data.TaggedError("UnknownSystem")<{ readonly system: string }> {
  override get message() {
    return `--system names ${this.system}, which storage_systems does not contain`
  }
}

/** A wrong itemId would select nothing, and look as if there were nothing to do. */
export class UnknownItem extends Data.TaggedError("UnknownItem")<{ readonly item: string }> {
  override get message() {
    return `--only names ${this.item}, which no entry in the list has as its itemId in the selected storage systems`
  }
}

/** Reads the list, which must contain the item of `--only`. */
const listReader = (proxy: StorageClient["Service"], systems: Systems<Reader>, scope: CycleScope) =>
  Effect.fnUntraced(function* (last?: EntryList) {
    const list = yield* proxy.refresh(last)
    const { only } = scope
    const isKnown = only === undefined || list.notUnderstood.some(({ itemId }) => itemId === only)
    if (!isKnown && inScope(list.entries, systems, scope).length === 0) return yield* new UnknownItem({ item: only })
    return list
  })

/** Loads the settings, and logs which of them are questionable, such as an unknown key of the file. */
const settingsFrom = Effect.fnUntraced(function* (config: ScopeFlags["config"]) {
  const settings = yield* loadSettings(Option.getOrUndefined(config))
  const log = logLine(settings.withoutSecrets)
  for (const detail of settings.warnings) yield* log("warning", { event: "configuration-warning", detail })
  return { settings, log }
})

/** The state directory cannot be made. */
class StateUnusable extends Data.TaggedError("StateUnusable")<{ readonly path: string; readonly reason: string }> {
  override get message() {
    return `The state directory ${this.path} cannot be made: ${this.reason}`
  }
}

const makeStateDirectory = (path: string): Effect.Effect<void, StateUnusable> =>
  Effect.try({
    try: () => void mkdirSync(path, { recursive: true, mode: 0o700 }),
    catch: (cause) => new StateUnusable({ path, reason: (cause as Error).message }),
  })

/** Opens the drivers of the systems that a command is for. */
const openSystems = Effect.fnUntraced(function* <D extends Reader>(
  settings: ProvisionerSettings,
  system: string | undefined,
  open: (driver: DriverSettings) => Effect.Effect<D, DriverError | LockFailed, Scope.Scope>,
) {
  if (system !== undefined && !settings.systems.has(system)) return yield* new UnknownSystem({ system })
  const names = [...settings.systems].filter(([name]) => system === undefined || name === system)
  const opened = yield* Effect.forEach(names, ([name, driver]) =>
    Effect.map(open(driver), (driver) => [name, driver] as const),
  )
  return { drivers: new Map(opened), prefix: settings.prefix } satisfies Systems<D>
})

/** What a command is for: some entries, on some disks. An entry has only its mount point, which other roots may have, too. */
export interface Target {
  readonly scope: CycleScope
  readonly places: unknown
}

const targetOf = ({ prefix, systems }: ProvisionerSettings, scope: CycleScope): Target => {
  const selected = [...systems].filter(([name]) => scope.system === undefined || name === scope.system)
  const places = selected.map(([name, { registry: _, ...place }]) => {
    if (place.type !== "vast") return [name, place]
    const { login: __, tls: ___, ...api } = place
    return [name, api]
  })
  return { scope, places: { prefix, systems: Object.fromEntries(places) } }
}

/** For commands that read nothing but the disk: no lock, no clients. */
export const diskSession = Effect.fnUntraced(function* (flags: Omit<ScopeFlags, "maxRemovals">) {
  const { settings } = yield* settingsFrom(flags.config)
  const scope = scopeOf(flags)
  return { settings, scope, systems: yield* openSystems(settings, scope.system, openReader) }
})

/** For commands that only read. */
export const readSession = Effect.fnUntraced(function* (
  flags: Omit<ScopeFlags, "maxRemovals"> & Partial<Pick<ScopeFlags, "maxRemovals">>,
) {
  const { settings, scope, systems } = yield* diskSession(flags)
  const { proxy } = yield* clients(settings)
  /** What would be done now; removals are shown whatever the list's age, and carried out only if it is recent. */
  const planNow = Effect.fnUntraced(function* (list: EntryList) {
    const entries = inScope(list.entries, systems, scope)
    return plan({
      list,
      entries,
      observations: yield* observeAll(entries, systems),
      journal: yield* readJournal(settings.statePath),
      held: new Set(),
      settings: {
        ...settings,
        maxRemovals: Option.getOrElse(flags.maxRemovals ?? Option.none(), () => settings.maxRemovals),
        mayRemove: true,
      },
    })
  })
  const readList = listReader(proxy, systems, scope)
  return { settings, scope, target: targetOf(settings, scope), systems, proxy, readList, planNow }
})

/**
 * For commands that change something: holds the locks and the journal until the scope ends.
 *
 * @param confirm called before anything is made: even the trash of a new root shows later that the root is mounted
 */
export const writeSession = Effect.fnUntraced(function* <E = never>(
  flags: ScopeFlags,
  onAct: (result: ActResult) => Effect.Effect<void> = () => Effect.void,
  confirm: (target: Target) => Effect.Effect<void, E> = () => Effect.void,
) {
  const { settings, log } = yield* settingsFrom(flags.config)
  const scope = scopeOf(flags)
  yield* confirm(targetOf(settings, scope))
  yield* makeStateDirectory(settings.statePath)
  yield* holdLock(settings.statePath)
  // Two provisioners with different state directories could share a root.
  const systems = yield* openSystems(settings, scope.system, (driver) =>
    Effect.andThen(holdLock(driver.root), openDriver(driver)),
  )
  const journal = yield* openJournal(settings.statePath)
  const { proxy, waldur } = yield* clients(settings)
  const cycle = yield* makeCycles({
    systems,
    journal,
    send: reportSender(waldur),
    settings: {
      ...settings,
      maxRemovals: Option.getOrElse(flags.maxRemovals, () => settings.maxRemovals),
      scope,
    },
    onAct: (result) => Effect.andThen(log(...logFieldsOf(result)), onAct(result)),
  })
  let statuses = yield* readStatuses(settings.statePath)
  const recordConditions = Effect.fnUntraced(function* (list: EntryList, outcome: CycleOutcome) {
    // An idle cycle looked at nothing: the conditions stay as they are.
    if (outcome.seen.size === 0 && outcome.plan.items.length === 0) return statuses
    const planned = new Set(outcome.plan.items.map(({ key }) => key))
    const next = conditionsAfter(
      statuses,
      inScope(list.entries, systems, scope),
      {
        planned: outcome.plan.items,
        results: outcome.results,
        wasExamined: (key) => planned.has(key) || outcome.seen.has(key),
      },
      new Date().toISOString(),
    )
    statuses = { ...outOfScope(statuses, scope), ...next }
    // Conditions are only for display: what was done on disk and reported to Waldur is complete without them.
    yield* Effect.catch(writeStatuses(settings.statePath, statuses), ({ detail }) =>
      log("warning", { event: "status-failed", path: statusFile(settings.statePath), detail }),
    )
    return statuses
  })
  const readList = listReader(proxy, systems, scope)
  return { settings, scope, systems, proxy, readList, journal, cycle, recordConditions, log }
})

const clients = Effect.fnUntraced(function* (settings: ProvisionerSettings) {
  const context = yield* Layer.build(
    Layer.merge(StorageClient.layer(settings.proxy), WaldurClient.layer(settings.waldur)),
  )
  return yield* Effect.all({ proxy: StorageClient, waldur: WaldurClient }).pipe(Effect.provide(context))
})

/** The level and fields of an act's log line. */
const logFieldsOf = ({ item, act, outcome, detail, milliseconds }: ActResult) => {
  const fields = {
    event: "act",
    act: act.act,
    item: item.itemId,
    path: item.path,
    ...(item.order === undefined ? {} : { order: item.order }),
    ...("reason" in act && act.reason !== undefined ? { reason: act.reason } : {}),
    ...("differences" in act && act.differences.length > 0 ? { differences: act.differences.join("; ") } : {}),
    outcome,
    ...(detail === undefined ? {} : { detail }),
    ms: Math.round(milliseconds),
  }
  return [isSuccess(outcome) || outcome === "otherState" ? "info" : "warning", fields] as const
}

const statusFile = (statePath: string) => join(statePath, "status.json")

/** The file of conditions cannot be read. If it is deleted, the next cycle writes a new one. */
export class StatusUnreadable extends Data.TaggedError("StatusUnreadable")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `The conditions in ${this.path} cannot be read: ${this.reason}. If the file is damaged, delete it: the next cycle writes a new one`
  }
}

/** The conditions as last written; empty before the first cycle. */
export const readStatuses = (statePath: string): Effect.Effect<Statuses, StatusUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const text = await readFile(statusFile(statePath), "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return "{}"
        throw error
      })
      return JSON.parse(text) as Statuses
    },
    catch: (cause) => new StatusUnreadable({ path: statusFile(statePath), reason: (cause as Error).message }),
  })

const writeStatuses = (statePath: string, statuses: Statuses) =>
  Effect.tryPromise({
    try: () =>
      replaceFile(statusFile(statePath), `${statusFile(statePath)}.tmp`, 0o600, (file) =>
        file.writeFile(JSON.stringify(statuses)),
      ),
    catch: (cause) => ({ detail: (cause as Error).message }),
  })

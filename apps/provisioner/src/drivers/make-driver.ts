/** Makes a driver of a quota system: opens the root and its registry, and runs each step on it. */
import { Effect, RcRef, type Scope, Semaphore } from "effect"
import { openRegistry } from "../disk/registry.ts"
import { adopt, directoryToAdopt } from "./adopt.ts"
import { ensureDirectory, ensureFolder } from "./create.ts"
import { Conflict, type Driver, type DriverError, type Item, type Quotas, Refused } from "./driver.ts"
import { look, ownDirectory, ownerOf, readBack, trashed } from "./find.ts"
import type { QuotaSystem } from "./quota-system.ts"
import { applyQuotas, differences, placeOf } from "./quotas.ts"
import { move, restore, trash } from "./rename.ts"
import { directoryAt, makeOpener, type OpenRoot, openRoot, type Root, type Step, type WritableRoot } from "./root.ts"
import { unlisted } from "./unlisted.ts"

export interface RootSettings {
  /** Absolute, free of symbolic links, owned by this process's user, not writable by others. Nothing outside of it changes. */
  readonly root: string
  /** The registry's file, outside of the root, created if missing. Its directory must exist, unless the driver only reads. */
  readonly registry: string
}

/**
 * Opens the root and its registry.
 *
 * @param isReader whether it only reads: nothing is made, and writes to the registry are refused
 */
export const makeDriver = Effect.fnUntraced(function* (
  { root: path, registry: registryPath }: RootSettings,
  system: QuotaSystem,
  isReader = false,
): Effect.fn.Return<Driver, DriverError, Scope.Scope> {
  const uid = process.geteuid?.() ?? 0
  if (!path.startsWith("/") || path.endsWith("/") || registryPath.startsWith(`${path}/`))
    return yield* new Refused({ step: `root ${path}`, detail: "not an absolute path with the registry outside of it" })
  const remembered = yield* openRegistry(registryPath, path)
  const onlyRead = (step: string) => new Refused({ step, detail: "the root is open read-only" })
  const registry = isReader
    ? { ...remembered, put: (itemId: string) => Effect.fail(onlyRead(`remember ${itemId}`)) }
    : remembered
  const shared: Root = { path, uid, isReader, system, registry, mutex: yield* Semaphore.make(1) }
  /** Reopened unless another step has it open, so that a mount or unmount in between is noticed. */
  const opened: RcRef.RcRef<OpenRoot, DriverError> = yield* RcRef.make({ acquire: openRoot(shared) })
  const openShared = yield* makeOpener(path, opened)
  const step = <A>(name: string, work: (root: OpenRoot) => Step<A>) =>
    Effect.scoped(Effect.flatMap(RcRef.get(opened), work)).pipe(Effect.withSpan(`${system.name}.${name}`))
  /** A step that changes something: refused by a reader. */
  const change = <A>(name: string, work: (root: WritableRoot) => Step<A>) =>
    step(name, (root) => (isReader || root.trash === null ? onlyRead(name) : work({ ...root, trash: root.trash })))

  yield* Effect.scoped(Effect.flatMap(RcRef.get(opened), ({ top }) => system.check?.(top) ?? Effect.void))
  return {
    name: system.name,
    root: path,
    capabilities: system.capabilities,
    look: (item, isShared) => step("look", (root) => look(root, item, isShared ? openShared : null)),
    ensureFolder: (folder, mode) => change("ensureFolder", (root) => ensureFolder(root, folder, mode)),
    ensureDirectory: (listed) => change("ensureDirectory", (root) => ensureDirectory(root, listed)),
    ensureQuota: (item, quotas) => change("ensureQuota", (root) => ensureQuota(root, item, quotas)),
    readBack: (item) => step("readBack", (root) => readBack(root, item)),
    differences: (listed, observed) => differences(shared, listed, observed),
    trash: (item, order) => change("trash", (root) => trash(root, item, order)),
    restore: (item) => change("restore", (root) => restore(root, item)),
    move: (item, from) => change("move", (root) => move(root, item, from)),
    usage: (item) => step("usage", (root) => usage(root, item)),
    adoptable: (listed) => step("adoptable", (root) => Effect.asVoid(directoryToAdopt(root, listed))),
    adopt: (listed) => change("adopt", (root) => adopt(root, listed)),
    unlisted: (paths) => step("unlisted", (root) => unlisted(root, paths)),
    trashed: () => step("trashed", trashed),
  }
})

const ensureQuota = Effect.fnUntraced(function* (root: OpenRoot, item: Item, quotas: Quotas) {
  const directory = yield* ownDirectory(root, item, `quotas of ${item.path}`)
  return yield* applyQuotas(root, yield* placeOf(root, directory, item), quotas)
})

const usage = Effect.fnUntraced(function* (root: OpenRoot, item: Item) {
  const { system } = root
  const directory = yield* directoryAt(root, item.path)
  if (directory === null || (yield* ownerOf(root, directory, directory.status)) !== item.itemId)
    return yield* new Conflict({ step: `usage of ${item.path}`, detail: "it is not this item's directory" })
  const place = yield* placeOf(root, directory, item)
  return { ...(yield* system.usage(place)), quotas: yield* system.readQuotas(place) }
})

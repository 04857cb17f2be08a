/** Finds what is on the disk and not in the list. */
import { Effect } from "effect"
import { componentsBelow, namesIn, openBelow, openChild, statusOf } from "../disk/directory.ts"
import type { Unlisted } from "./driver.ts"
import { isAt, ownerOf } from "./find.ts"
import type { OpenRoot } from "./root.ts"

export const unlisted = Effect.fnUntraced(function* (root: OpenRoot, paths: ReadonlySet<string>) {
  const above = new Set([root.path])
  for (const path of paths) {
    const components = yield* componentsBelow(root.path, path).pipe(
      Effect.catchTag("Refused", () => Effect.succeed([])),
    )
    for (let count = 1; count < components.length; count++)
      above.add(`${root.path}/${components.slice(0, count).join("/")}`)
  }
  const isListed = (path: string) => paths.has(path) || above.has(path)
  const found = new Map<string, Unlisted>()
  for (const path of above)
    for (const one of yield* Effect.scoped(besides(root, path, isListed))) found.set(one.path, one)
  for (const { itemId, path } of root.registry.all()) {
    if (path === undefined || paths.has(path) || found.has(path)) continue
    const isThere = yield* Effect.scoped(isAt(root, path, itemId))
    if (isThere) found.set(path, { path, itemId })
  }
  return [...found.values()].toSorted((one, other) => (one.path < other.path ? -1 : 1))
})

/** What a directory above a listed one contains besides listed directories and those above them. */
const besides = Effect.fnUntraced(function* (root: OpenRoot, path: string, isListed: (path: string) => boolean) {
  const directory = path === root.path ? root.top : yield* openBelow(root.top, yield* componentsBelow(root.path, path))
  if (directory === null) return []
  const found: Array<Unlisted> = []
  for (const name of yield* namesIn(directory)) {
    if (name.startsWith(".") || isListed(`${path}/${name}`)) continue
    const itemId = yield* Effect.scoped(
      Effect.gen(function* () {
        const child = yield* openChild(directory, name)
        return child === null ? null : yield* ownerOf(root, child, yield* statusOf(child))
      }),
    ).pipe(Effect.catchTag("Conflict", () => Effect.succeed(null)))
    found.push({ path: `${path}/${name}`, itemId })
  }
  return found
})

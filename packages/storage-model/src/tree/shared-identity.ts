/** Finds identities that must be unique but are shared: a GID of several project slugs, or a slug of several projects. */

import { addTo } from "../get-or-make.ts"
import { type Remark, remark, shown, type Warning } from "../report/finding.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { compare, flatMapLazily } from "./order.ts"

/** One holder of an identity. */
export interface Holder {
  /** The identity, such as a GID. */
  readonly key: string
  /** The name that should be its only one, such as a project slug. */
  readonly name: string
  /** The resource that a warning is about; none for a record without a place in the tree. */
  readonly resource: WaldurResource | undefined
  /** The warning about it, as of the last update. */
  warning: Warning | undefined
}

export const holder = (key: string, name: string, resource?: WaldurResource): Holder => ({
  key,
  name,
  resource,
  warning: undefined,
})

/** Describes the other names of a key for each of its names; `undefined` if there are none. */
const othersIn = (holders: ReadonlyArray<Holder>): ((self: string) => string | undefined) => {
  const [one] = holders
  if (holders.every(({ name }) => name === one?.name)) return () => undefined
  const names = [...new Set(holders.map(({ name }) => name))].toSorted(compare)
  const [least = "", second = ""] = names
  return (self) => {
    const other = shown(least === self ? second : least)
    return names.length > 2 ? `${other} and others (${names.length} in all)` : String(other)
  }
}

/**
 * Collects the holders of identities.
 *
 * @param remarkOn the warning about a holder, given the other names of its identity
 */
export const sharedIdentity = (remarkOn: (holder: Holder, others: string) => Remark) => {
  const holders = new Map<string, Array<Holder>>()
  const changed = new Set<string>()
  let others: (self: string) => string | undefined = () => undefined
  return {
    add: (one: Holder): void => {
      addTo(holders, one.key, one)
      changed.add(one.key)
    },
    remove: (one: Holder): void => {
      const all = holders.get(one.key)
      const index = all?.indexOf(one) ?? -1
      if (all === undefined || index < 0) return
      all.splice(index, 1)
      if (all.length === 0) holders.delete(one.key)
      changed.add(one.key)
    },
    /** The holders of all identities with a change since `settle`. */
    affected: flatMapLazily(changed, (key) => {
      const all = holders.get(key) ?? []
      others = othersIn(all)
      return all
    }),
    /** The remark about a holder, if any; to be called while iterating over `affected`. */
    remarkOn: (one: Holder): Remark | undefined => {
      const found = one.resource && others(one.name)
      return found === undefined ? undefined : remarkOn(one, found)
    },
    settle: (): void => changed.clear(),
  }
}

/** Project slugs by GID, whatever the source of the GID: with one GID, each project can read the others' data. */
export const sharedGids = () =>
  sharedIdentity(({ key: gid, name: slug }, others) =>
    remark("shared-gid", "project_slug", slug, `its GID ${gid} is also that of ${others}`),
  )

/**
 * Project UUIDs by project slug, of live resources: the HPC User API identifies projects by slug, so they all get the same
 * GID. Records without a place in the tree count too.
 */
export const sharedProjectSlugs = () =>
  sharedIdentity(({ key: slug, name: uuid }, others) => {
    const reason = `the project ${uuid} and the project ${others} have this slug, and so one GID`
    return remark("shared-project-slug", "project_slug", slug, reason)
  })

export type SharedIdentity = ReturnType<typeof sharedIdentity>

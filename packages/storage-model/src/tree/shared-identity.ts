import type { StorageEntry } from "../entry/storage-entry.ts"
import { problem, shown, type Warn } from "../report/finding.ts"
import { isRemoval } from "../rules/lifecycle.ts"
import { isGid } from "../rules/target.ts"
import type { ModelSettings } from "../settings.ts"
import { property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { compare } from "./code-unit-order.ts"
import { getOrMake } from "./get-or-make.ts"
import { recordMayBeLive } from "./occupancy.ts"
import type { Located } from "./place.ts"
import type { GidAnswer } from "./resource-entry.ts"
import { eachInSteps, type Steps } from "./steps.ts"

/** Different texts, of which the least two are named, and how many there are. */
interface Names {
  readonly all: Set<string>
  least: string
  second: string | undefined
}

/** Gathers texts by a key, and tells in constant time which others a key has. */
const namesByKey = () => {
  const known = new Map<string, Names>()
  return {
    add: (key: string, name: string) => {
      const names = getOrMake(known, key, (): Names => ({ all: new Set(), least: name, second: undefined }))
      if (names.all.has(name)) return
      names.all.add(name)
      if (names.all.size === 1) return
      if (compare(name, names.least) < 0) [names.least, names.second] = [name, names.least]
      else if (names.second === undefined || compare(name, names.second) < 0) names.second = name
    },
    /** The other names of a key, in words; `undefined` if there is none. */
    others: (key: string, self: string): string | undefined => {
      const names = known.get(key)
      const other = names?.least === self ? names.second : names?.least
      if (names === undefined || other === undefined) return undefined
      return names.all.size > 2 ? `${shown(other)} and others (${names.all.size} in all)` : String(shown(other))
    },
  }
}

type WarnOf = (resource: WaldurResource) => Warn

const servedGid = ({ target: { targetType, targetItem } }: StorageEntry): string =>
  String(property(targetType === "user" ? property(targetItem, "primaryProject") : targetItem, "unixGid"))

/** Finds GIDs that two project slugs have, wherever they are from: each project can read the other's data. */
export const sharedGids = () => {
  const served: Array<readonly [resource: WaldurResource, gid: string]> = []
  return {
    add: (resource: WaldurResource, entry: StorageEntry) => {
      served.push([resource, servedGid(entry)])
    },
    /** Warns of each resource that is served with such a GID. */
    warnings: function* (gids: ReadonlyMap<string, GidAnswer>, settings: ModelSettings, warnOf: WarnOf): Steps<void> {
      const projects = namesByKey()
      yield* eachInSteps(gids, ([project, answer]) => {
        if (answer.status === "known" && isGid(answer.gid, settings)) projects.add(String(answer.gid), project)
      })
      yield* eachInSteps(served, ([resource, gid]) => projects.add(gid, resource.project_slug))
      yield* eachInSteps(served, ([resource, gid]) => {
        const others = projects.others(gid, resource.project_slug)
        if (others === undefined) return
        warnOf(resource)(
          "shared-gid",
          problem("project_slug", resource.project_slug, `its GID ${gid} is also that of ${others}`),
        )
      })
    },
  }
}

/**
 * Warns of each live resource whose project slug two projects have: the HPC User API knows projects by their slug, so
 * that both get the same GID. Records that have no place in the tree are known as well.
 */
export function* sharedProjectSlugs(
  located: ReadonlyArray<Located>,
  unlocated: ReadonlyArray<unknown>,
  warnOf: WarnOf,
): Steps<void> {
  const uuids = namesByKey()
  const add = (record: unknown) => {
    const slug = property(record, "project_slug")
    const uuid = dashedUuid(property(record, "project_uuid"))
    if (typeof slug === "string" && uuid !== undefined) uuids.add(slug, uuid)
  }
  const live = ({ state }: Located) => !isRemoval(state)
  yield* eachInSteps(located, (one) => {
    if (live(one)) add(one.resource)
  })
  yield* eachInSteps(unlocated, (record) => {
    if (recordMayBeLive(record)) add(record)
  })
  yield* eachInSteps(located, (one) => {
    const { project_slug: slug, project_uuid } = one.resource
    const uuid = dashedUuid(project_uuid)
    const others = live(one) && uuid !== undefined ? uuids.others(slug, uuid) : undefined
    if (others === undefined) return
    const reason = `the project ${uuid} and the project ${others} have this slug, and so one GID`
    warnOf(one.resource)("shared-project-slug", problem("project_slug", slug, reason))
  })
}

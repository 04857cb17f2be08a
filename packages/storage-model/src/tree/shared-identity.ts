/** Identities that must be one project's alone and are not: GIDs and project slugs. */

import type { StorageEntry } from "../entry/storage-entry.ts"
import { type Remark, remark, shown } from "../report/finding.ts"
import { isRemoval } from "../rules/lifecycle.ts"
import { isGid } from "../rules/target.ts"
import type { ModelSettings } from "../settings.ts"
import { property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { getOrMake } from "./get-or-make.ts"
import { compare } from "./order.ts"
import type { BuiltPart } from "./parts.ts"
import type { PlacedResource } from "./place.ts"
import type { GidAnswer } from "./resource-entry.ts"
import { recordMayBeLive } from "./whereabouts.ts"

/** Different texts, of which the least two are named, and how many there are. */
interface Names {
  readonly all: Set<string>
  least: string
  second: string | undefined
}

/** Gathers texts by a key, and finds in constant time which others a key has. */
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

const servedGid = ({ target: { targetType, targetItem } }: StorageEntry): string =>
  String(property(targetType === "user" ? property(targetItem, "primaryProject") : targetItem, "unixGid"))

/** A resource and the GID that it is served with. */
interface ServedGid {
  readonly resource: WaldurResource
  readonly gid: string
}

/** Finds GIDs that two project slugs have, wherever they are from: each project can read the other's data. */
export const sharedGids = (settings: ModelSettings) => {
  const projects = namesByKey()
  const served: Array<ServedGid> = []
  return {
    addAnswer: ([project, answer]: readonly [string, GidAnswer]): void => {
      if (answer.status === "known" && isGid(answer.gid, settings)) projects.add(String(answer.gid), project)
    },
    addPart: ({ members, outcomes }: BuiltPart): void => {
      for (const [at, { placed }] of outcomes.entries()) {
        const resource = members[at]?.resource
        if (placed === undefined || resource === undefined) continue
        const gid = servedGid(placed.entry)
        served.push({ resource, gid })
        projects.add(gid, resource.project_slug)
      }
    },
    served: served as Iterable<ServedGid>,
    /** What is odd about a resource's GID once all are added. */
    remarkOn: ({ resource: { project_slug: slug }, gid }: ServedGid): Remark | undefined => {
      const others = projects.others(gid, slug)
      if (others === undefined) return undefined
      return remark("shared-gid", "project_slug", slug, `its GID ${gid} is also that of ${others}`)
    },
  }
}

/**
 * Finds live resources whose project slug two projects have: the HPC User API knows projects by their slug, so that both
 * get the same GID. Records that have no place in the tree are known as well.
 */
export const sharedProjectSlugs = () => {
  const uuids = namesByKey()
  const add = (record: unknown) => {
    const slug = property(record, "project_slug")
    const uuid = dashedUuid(property(record, "project_uuid"))
    if (typeof slug === "string" && uuid !== undefined) uuids.add(slug, uuid)
  }
  return {
    addPlaced: ({ state, resource }: PlacedResource): void => {
      if (!isRemoval(state.value)) add(resource)
    },
    addUnplaced: (record: unknown): void => {
      if (recordMayBeLive(record)) add(record)
    },
    /** What is odd about a resource's project slug once all are added. */
    remarkOn: ({ state, resource: { project_slug: slug, project_uuid } }: PlacedResource): Remark | undefined => {
      const uuid = isRemoval(state.value) ? undefined : dashedUuid(project_uuid)
      const others = uuid === undefined ? undefined : uuids.others(slug, uuid)
      if (others === undefined) return undefined
      const reason = `the project ${uuid} and the project ${others} have this slug, and so one GID`
      return remark("shared-project-slug", "project_slug", slug, reason)
    },
  }
}

/** Finds GIDs and project slugs that several projects share although they must be unique. */

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

/** A set of texts with its two smallest members. */
interface Names {
  readonly all: Set<string>
  least: string
  second: string | undefined
}

/** Collects texts by key, and finds the other texts of a key in constant time. */
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
    /** Describes the other names of a key; `undefined` if there are none. */
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

/** A resource and its served GID. */
interface ServedGid {
  readonly resource: WaldurResource
  readonly gid: string
}

/** Finds GIDs that several project slugs share, whatever their source: each project can read the others' data. */
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
    /** The warning about a resource's GID, if any. Call it after everything is added. */
    remarkOn: ({ resource: { project_slug: slug }, gid }: ServedGid): Remark | undefined => {
      const others = projects.others(gid, slug)
      if (others === undefined) return undefined
      return remark("shared-gid", "project_slug", slug, `its GID ${gid} is also that of ${others}`)
    },
  }
}

/**
 * Finds live resources whose project slug belongs to several projects: the HPC User API identifies projects by slug, so
 * they all get the same GID. Records without a place in the tree count too.
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
    /** The warning about a resource's project slug, if any. Call it after everything is added. */
    remarkOn: ({ state, resource: { project_slug: slug, project_uuid } }: PlacedResource): Remark | undefined => {
      const uuid = isRemoval(state.value) ? undefined : dashedUuid(project_uuid)
      const others = uuid === undefined ? undefined : uuids.others(slug, uuid)
      if (others === undefined) return undefined
      const reason = `the project ${uuid} and the project ${others} have this slug, and so one GID`
      return remark("shared-project-slug", "project_slug", slug, reason)
    },
  }
}

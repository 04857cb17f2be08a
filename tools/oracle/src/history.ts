/**
 * The history of the sandbox's world: every version of every resource, of names, GIDs and roles, with times. Times are
 * `performance.now()`. A change takes a moment, during which both the old and the new are true.
 */
import type { World } from "@cscs/sandbox"
import { type Facts, factsOf, type HostileRecord } from "./facts.ts"

/** When something was true; `until` is infinite while it is. */
export interface Span {
  readonly from: number
  until: number
}

/** `undefined` while there is no such resource. */
interface Version extends Span {
  readonly facts: Facts | undefined
}

/** A resource over time. */
export interface Past {
  readonly uuid: string
  /** Its immutable facts. */
  readonly place: Facts
  readonly versions: Array<Version>
}

export interface Named extends Span {
  readonly name: string
}

/** A GID in the HPC User API. */
export interface KnownGid {
  readonly gid: number
  readonly from: number
  /** The project was requested before: its absence is cached for a while. */
  readonly isLate: boolean
  /** When a response first showed that the proxy has it; it then never loses it. */
  provenAt: number
}

/** A storage system that suddenly has no usable records: a role is lost, or all records went bad. */
export interface Loss extends Span {
  readonly offeringSlug: string
  /**
   * Whether a single read may have seen some of its records good and some bad, which no count shows: a loss of less
   * than half is accepted, and a guard then keeps the rest.
   */
  isTorn: boolean
}

export interface History {
  readonly pasts: ReadonlyMap<string, Past>
  /** By project slug and by customer uuid. */
  readonly projectNames: ReadonlyMap<string, ReadonlyArray<Named>>
  readonly customerNames: ReadonlyMap<string, ReadonlyArray<Named>>
  readonly gids: ReadonlyMap<string, KnownGid>
  readonly losses: ReadonlyArray<Loss>
  /** Records that the record with this uuid, which comes with the next change, is hostile. */
  readonly expectHostile: (uuid: string, hostile: HostileRecord) => void
  /** Increases with every change. */
  readonly revision: () => number
  /** Applies a change to the world, and records the differences. Changes run one after the other. */
  readonly change: (mutation: () => void | Promise<void>) => Promise<void>
  /** A system loses its records until `regained` is called. */
  readonly lose: (offeringSlug: string, isTorn: boolean) => { readonly regained: (isTorn: boolean) => void }
}

export const overlaps = ({ from, until }: Span, start: number, end: number): boolean => from <= end && until >= start

export const historyOf = (world: World): History => {
  const pasts = new Map<string, Past>()
  const texts = new Map<string, string>()
  const projectNames = new Map<string, Array<Named>>()
  const customerNames = new Map<string, Array<Named>>()
  const gids = new Map<string, KnownGid>()
  const losses: Array<Loss> = []
  const asked = new Set<string>()
  const hostile = new Map<string, HostileRecord>()
  let revision = 0

  const rename = (names: Map<string, Array<Named>>, key: string, name: string, before: number, now: number) => {
    const known = names.get(key) ?? []
    names.set(key, known)
    const last = known.at(-1)
    if (last?.name === name) return
    if (last !== undefined) last.until = now
    known.push({ name, from: before, until: Number.POSITIVE_INFINITY })
  }

  const note = (before: number, now: number): void => {
    const seen = new Set<string>()
    for (const [project, gid] of world.gids) {
      if (gids.has(project) || typeof gid !== "number") continue
      gids.set(project, { gid, from: before, isLate: asked.has(project), provenAt: Number.POSITIVE_INFINITY })
    }
    for (const row of world.resources) {
      const facts = factsOf(row, hostile.get(String(row.uuid)))
      const { uuid } = facts
      seen.add(uuid)
      asked.add(facts.projectSlug)
      rename(projectNames, facts.projectSlug, String(row.project_name), before, now)
      rename(customerNames, facts.customerUuid, String(row.customer_name), before, now)
      const text = JSON.stringify(facts)
      if (texts.get(uuid) === text) continue
      texts.set(uuid, text)
      revise(uuid, facts, before, now)
    }
    for (const uuid of texts.keys()) {
      if (seen.has(uuid)) continue
      texts.delete(uuid)
      revise(uuid, undefined, before, now)
    }
  }

  const revise = (uuid: string, facts: Facts | undefined, before: number, now: number): void => {
    const past = pasts.get(uuid)
    const last = past?.versions.at(-1)
    if (last !== undefined) last.until = now
    const version = { facts, from: before, until: Number.POSITIVE_INFINITY }
    if (past !== undefined) past.versions.push(version)
    else if (facts !== undefined) {
      const absent = { facts: undefined, from: Number.NEGATIVE_INFINITY, until: now }
      pasts.set(uuid, {
        uuid,
        place: facts,
        versions: before === Number.NEGATIVE_INFINITY ? [version] : [absent, version],
      })
    }
  }

  note(Number.NEGATIVE_INFINITY, performance.now())
  return {
    pasts,
    projectNames,
    customerNames,
    gids,
    losses,
    expectHostile: (uuid, record) => void hostile.set(uuid, record),
    revision: () => revision,
    change: async (mutation) => {
      const before = performance.now()
      await mutation()
      note(before, performance.now())
      revision += 1
    },
    lose: (offeringSlug, isTorn) => {
      const loss = { offeringSlug, isTorn, from: performance.now(), until: Number.POSITIVE_INFINITY }
      losses.push(loss)
      revision += 1
      return {
        regained: (isTornToo) => {
          loss.until = performance.now()
          loss.isTorn ||= isTornToo
          revision += 1
        },
      }
    },
  }
}

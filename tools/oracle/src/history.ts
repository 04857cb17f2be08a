/**
 * The history of the sandbox's world: every version of resources, names, GIDs and roles, with times by
 * `performance.now()`. A change takes a moment, during which both the old and the new value are valid.
 */
import { isDeepStrictEqual } from "node:util"
import type { World } from "@cscs/sandbox"
import { type Facts, factsOf } from "./facts.ts"

/** When something was valid; `until` is infinite while it still is. */
export interface Span {
  readonly from: number
  until: number
}

/** A value with its span; `undefined` while a resource does not exist. */
export interface Dated<A> extends Span {
  readonly value: A
}

/** A resource over time. */
export interface Past {
  /** Its immutable facts. */
  readonly place: Facts
  readonly versions: Array<Dated<Facts | undefined>>
}

/** A GID in the HPC User API. */
export interface KnownGid {
  readonly gid: number
  readonly from: number
  /** Whether the proxy may have looked the project up before, and cached its absence for a while. */
  readonly isLate: boolean
  /** When a response first showed that the proxy knows the GID, which it never forgets. */
  provenAt: number
}

/** The span in which a storage system has no visible records, because a role is lost. */
export interface Loss extends Span {
  readonly offeringSlug: string
}

export type History = ReturnType<typeof historyOf>

export const overlaps = ({ from, until }: Span, start: number, end: number): boolean => from <= end && until >= start

export const historyOf = (world: World) => {
  const pasts = new Map<string, Past>()
  /** By project slug, and by customer uuid. */
  const projectNames = new Map<string, Array<Dated<string>>>()
  const customerNames = new Map<string, Array<Dated<string>>>()
  const gids = new Map<string, KnownGid>()
  const losses: Array<Loss> = []
  const requested = new Set<string>()
  const malformed = new Map<string, string>()

  /** Records the differences from a change between `before` and `now`. */
  const note = (before: number, now: number): void => {
    const put = <A>(dated: Array<Dated<A>>, value: A): void => {
      const last = dated.at(-1)
      if (last !== undefined && isDeepStrictEqual(last.value, value)) return
      if (last !== undefined) last.until = now
      dated.push({ value, from: before, until: Number.POSITIVE_INFINITY })
    }
    const rename = (names: Map<string, Array<Dated<string>>>, key: string, name: string): void => {
      const dated = names.get(key) ?? []
      names.set(key, dated)
      put(dated, name)
    }
    for (const [project, gid] of world.gids) {
      if (gids.has(project) || typeof gid !== "number") continue
      gids.set(project, { gid, from: before, isLate: requested.has(project), provenAt: Number.POSITIVE_INFINITY })
    }
    const seen = new Set<string>()
    const isFirst = before === Number.NEGATIVE_INFINITY
    for (const row of world.resources) {
      const facts = factsOf(row, malformed.get(String(row.uuid)))
      const { uuid, projectSlug, customerUuid } = facts
      seen.add(uuid)
      requested.add(projectSlug)
      rename(projectNames, projectSlug, String(row.project_name))
      rename(customerNames, customerUuid, String(row.customer_name))
      const absent = { value: undefined, from: Number.NEGATIVE_INFINITY, until: now }
      const past = pasts.get(uuid) ?? { place: facts, versions: isFirst ? [] : [absent] }
      pasts.set(uuid, past)
      put(past.versions, facts)
    }
    for (const [uuid, { versions }] of pasts) if (!seen.has(uuid)) put(versions, undefined)
  }

  note(Number.NEGATIVE_INFINITY, performance.now())
  return {
    pasts: pasts as ReadonlyMap<string, Past>,
    projectNames: projectNames as ReadonlyMap<string, ReadonlyArray<Dated<string>>>,
    customerNames: customerNames as ReadonlyMap<string, ReadonlyArray<Dated<string>>>,
    gids: gids as ReadonlyMap<string, KnownGid>,
    losses: losses as ReadonlyArray<Loss>,
    /** Declares that the row with this uuid, which the next change adds, is malformed, and where its data is. */
    expectMalformed: (uuid: string, protects: string) => void malformed.set(uuid, protects),
    /** Applies a change to the world, and records the differences. Changes must not overlap. */
    change: async (mutation: () => void | Promise<void>): Promise<void> => {
      const before = performance.now()
      await mutation()
      note(before, performance.now())
    },
    /** Records that a system loses its records, until the returned function is called. */
    lose: (offeringSlug: string): (() => void) => {
      const loss = { offeringSlug, from: performance.now(), until: Number.POSITIVE_INFINITY }
      losses.push(loss)
      return () => {
        loss.until = performance.now()
      }
    },
  }
}

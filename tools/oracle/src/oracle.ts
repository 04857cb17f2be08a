/**
 * All valid contents of a list that was read within a time span: place after place, in the order of the list. Without a
 * change in that span only one list is valid; with one, a place may be absent, or have one of several entries, because a
 * read of Waldur takes time.
 */
import {
  customerEntry,
  dashed,
  expectedEntry,
  isBeingRemoved,
  isHeldBack,
  mountPointOf,
  stateSeen,
  statusIn,
  systems,
  tenantEntry,
} from "./expected-entry.ts"
import type { Facts } from "./facts.ts"
import { type Dated, type History, type KnownGid, type Loss, overlaps, type Past } from "./history.ts"

/** The list is not older than `from` and existed at `to`, by `performance.now()`. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** The values of query parameters. */
export type Filter = Readonly<Partial<Record<"storage_system" | "data_type" | "status" | "state", string>>>

/** A place in the list. */
export interface Place {
  /** Identifies the entry: its item, its storage system and its data type. */
  readonly key: string
  /** The possible entries here. */
  readonly entries: ReadonlySet<string>
  /** Whether the place may be absent. */
  readonly isOptional: boolean
  readonly projectSlug: string | undefined
}

/** The places of a list that was read within the window, under the filter. */
export type Oracle = (window: Window, filter: Filter) => ReadonlyArray<Place>

/**
 * @param about.api Waldur's address, with `/api/`
 * @param about.fullRefreshEvery, about.retryGidAfter the proxy's own intervals in milliseconds: between two full reads
 *   of Waldur, and until a project unknown to the HPC User API is looked up again
 * @param about.wasFailing whether the HPC User API or its issuer was unavailable at some time in the window
 */
export const oracleOf = (about: {
  readonly history: History
  readonly api: string
  readonly fullRefreshEvery: number
  readonly retryGidAfter: number
  readonly wasFailing: (window: Window) => boolean
}): Oracle => {
  const { history, api, fullRefreshEvery, retryGidAfter, wasFailing } = about
  /** Only a full read sees changes that Waldur does not date. */
  const namesIn = (names: ReadonlyArray<Dated<string>> | undefined, { from, to }: Window): ReadonlyArray<string> =>
    (names ?? []).filter((one) => overlaps(one, from - fullRefreshEvery - 1000, to)).map(({ value }) => value)

  const isGidSure = (gid: KnownGid, window: Window): boolean =>
    window.from >= gid.provenAt ||
    (window.from >= gid.from + (gid.isLate ? retryGidAfter + 2000 : 0) && !wasFailing(window))

  /** The losses because of which a guard may keep an entry. A list is as old as what it keeps, so its window reaches back to them. */
  const lossesIn = ({ place }: Past, { from, to }: Window) =>
    history.losses.filter((loss) => loss.offeringSlug === place.offeringSlug && overlaps(loss, from, to))

  const entriesOf = (facts: Facts, gid: number, window: Window, mayBeKept: boolean): ReadonlyArray<string> =>
    namesIn(history.projectNames.get(facts.projectSlug), window).flatMap((projectName) =>
      (mayBeKept ? [false, true] : [false]).map((isKept) => encoded(facts, { projectName, gid, api, isKept })),
    )

  return (window, filter) => {
    const seen = [...history.pasts.values()]
      // A malformed record counts under every filter: it has no entry, but holds back removals.
      .filter(({ place }) => place.protects !== undefined || isWanted(place, filter))
      .map((past) => observationOf(past, window, lossesIn(past, window)))
      .filter(({ versions }) => versions.length > 0)
      .sort((a, b) => byPlace(a.past.place, b.past.place))
    const live = livePathsOf(seen)
    const places: Array<Place> = []
    const placed = seen.filter(({ past: { place } }) => place.protects === undefined && isWanted(place, filter))
    for (const tenant of Map.groupBy(placed, tenantOf).values()) {
      places.push(...parentPlace([tenantEntry((tenant[0] as Observation).past.place)], tenant, filter))
      for (const customer of Map.groupBy(tenant, ({ past }) => past.place.customerSlug).values()) {
        const { past } = customer[0] as Observation
        const names = namesIn(history.customerNames.get(past.place.customerUuid), window)
        const entries = names.map((name) => customerEntry(past.place, name))
        places.push(...parentPlace(entries, customer, filter))
        for (const member of customer) {
          const gid = history.gids.get(member.past.place.projectSlug)
          if (gid === undefined || gid.from > window.to) continue
          const passing = member.versions.filter((facts) => passes(facts, filter) && !isHeldBack(facts))
          const entries = passing
            .filter((facts) => !live.alwaysAt(facts, member))
            .flatMap((facts) => entriesOf(facts, gid.gid, window, member.mayBeKept))
          if (entries.length === 0) continue
          places.push({
            key: keyOf(dashed(member.past.place.uuid), member.past.place),
            entries: new Set(entries),
            isOptional:
              !member.isAlways ||
              passing.length < member.versions.length ||
              !isGidSure(gid, window) ||
              passing.some((facts) => live.everAt(facts, member) || mayBeSkipped(facts, member)),
            projectSlug: member.past.place.projectSlug,
          })
        }
      }
    }
    return places
  }
}

type Observation = ReturnType<typeof observationOf>

/** All ways in which a resource may have been read within a window. */
const observationOf = (past: Past, window: Window, losses: ReadonlyArray<Loss>) => {
  const valid = past.versions.filter((version) => overlaps(version, window.from, window.to))
  const known = valid.flatMap(({ value }) => value ?? [])
  const versions = known.filter((facts) => !isHidden(facts))
  const mayBeRemoved = versions.some(isRemoval)
  // Resources and their orders come from two lists, one of which may be read before a change and the other after it. Even
  // then, data that must stay never appears as removed.
  const mayLackOrder =
    known.length < valid.length || known.some((facts) => facts.order === undefined || isHidden(facts))
  if (mayLackOrder) {
    for (const facts of known) {
      if (facts.order === undefined || (isBeingRemoved(facts.state) && !mayBeRemoved)) continue
      versions.push(withoutOrder(facts))
    }
  }
  return {
    past,
    /** Whether a guard may keep its previous entry. */
    mayBeKept: losses.length > 0,
    /** What the provider sees, in every way in which it may have been read. */
    versions: versions as ReadonlyArray<Facts>,
    /** Whether the resource exists, visible to the provider, throughout the window. */
    isAlways: valid.every(({ value }) => value !== undefined && !isHidden(value)),
  }
}

/** Returns the same object for the same facts, because its encodings are cached. */
const orderless = new WeakMap<Facts, Facts>()
const withoutOrder = (facts: Facts): Facts => {
  const known = orderless.get(facts) ?? { ...facts, order: undefined }
  orderless.set(facts, known)
  return known
}

const isHidden = (facts: Facts): boolean => stateSeen(facts) === undefined
const isRemoval = (facts: Facts): boolean => isBeingRemoved(stateSeen(facts) ?? "")
/** A guard's list omits doubtful removals, even completed ones. */
const mayBeSkipped = (facts: Facts, { mayBeKept }: Observation): boolean => mayBeKept && isRemoval(facts)

/** The paths of live data: a removal there is not listed. */
const livePathsOf = (seen: ReadonlyArray<Observation>) => {
  const at = Map.groupBy(
    seen.flatMap((observation) => observation.versions.map((facts) => ({ observation, facts }))),
    ({ facts }) => mountPointOf(facts),
  )
  const othersAt = (facts: Facts, self: Observation) =>
    isRemoval(facts) ? (at.get(mountPointOf(facts)) ?? []).filter(({ observation }) => observation !== self) : []
  const isLive = (facts: Facts) => !isRemoval(facts) || isHeldBack(facts)
  const malformed = seen.filter(({ past: { place } }) => place.protects !== undefined)
  const malformedAt = (facts: Facts) =>
    isRemoval(facts)
      ? malformed.filter(({ past: { place } }) => `${place.protects}/`.startsWith(`${mountPointOf(facts)}/`))
      : []
  return {
    everAt: (facts: Facts, self: Observation) =>
      othersAt(facts, self).some((other) => isLive(other.facts)) ||
      malformedAt(facts).some(({ versions }) => versions.some(isLive)),
    alwaysAt: (facts: Facts, self: Observation) =>
      othersAt(facts, self).some(
        ({ observation }) =>
          observation.isAlways &&
          observation.versions.every((one) => isLive(one) && mountPointOf(one) === mountPointOf(facts)),
      ) || malformedAt(facts).some(({ isAlways, versions }) => isAlways && versions.every(isLive)),
  }
}

const parentPlace = (
  entries: ReadonlyArray<string>,
  members: ReadonlyArray<Observation>,
  { state, status }: Filter,
): ReadonlyArray<Place> => {
  const { past } = members[0] as Observation
  // The filter uses Waldur's own state.
  const passesState = (facts: Facts) => !state || facts.state === state
  if ((status && status !== "pending") || !members.some(({ versions }) => versions.some(passesState))) return []
  const key = keyOf((JSON.parse(entries[0] ?? "{}") as { itemId: string }).itemId, past.place)
  const isRequired = members.some(
    (member) =>
      member.isAlways &&
      member.versions.every((facts) => passesState(facts) && !(state && mayBeSkipped(facts, member))),
  )
  return [{ key, entries: new Set(entries), isOptional: !isRequired, projectSlug: undefined }]
}

const isWanted = (place: Facts, { storage_system, data_type }: Filter): boolean =>
  (!storage_system || place.offeringSlug === storage_system) && (!data_type || place.dataType === data_type)

const passes = (facts: Facts, { state, status }: Filter): boolean =>
  (!state || facts.state === state) && (!status || statusIn(stateSeen(facts) ?? "") === status)

const keyOf = (itemId: string, { offeringSlug, dataType }: Pick<Facts, "offeringSlug" | "dataType">): string =>
  `${itemId} ${offeringSlug} ${dataType}`

/** Caches the encoded entry for each name and guard state. The GID of a project and Waldur's address never change. */
const encodedBefore = new WeakMap<Facts, Map<string, string>>()
const encoded = (facts: Facts, around: Parameters<typeof expectedEntry>[1]): string => {
  const known = encodedBefore.get(facts) ?? new Map<string, string>()
  encodedBefore.set(facts, known)
  const key = `${around.isKept} ${around.projectName}`
  const text = known.get(key) ?? expectedEntry(facts, around)
  known.set(key, text)
  return text
}

const tenantOf = ({ past }: Observation) =>
  `${past.place.offeringSlug} ${past.place.dataType} ${past.place.providerSlug}`

/** Orders by system as configured, data type, tenant, customer, then age. */
const byPlace = (a: Facts, b: Facts): number =>
  systems.indexOf(a.offeringSlug as never) - systems.indexOf(b.offeringSlug as never) ||
  compare(a.dataType, b.dataType) ||
  compare(a.providerSlug, b.providerSlug) ||
  compare(a.customerSlug, b.customerSlug) ||
  compare(a.created, b.created) ||
  compare(a.uuid, b.uuid)

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

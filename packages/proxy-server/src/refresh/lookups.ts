/** Looks up customers and GIDs for a refresh, in parallel with the read of the resources. */
import { cooperatively } from "@cscs/http-transport"
import { type CustomerList, dashedUuid, type WaldurResource } from "@cscs/storage-model"
import { WaldurClient } from "@cscs/waldur-client"
import { Cause, Effect, Equal, Fiber, FiberSet } from "effect"
import { logEvent } from "../observability/log-events.ts"
import { failureOf, GidSource, type ProjectGid, type ProjectGids } from "./gid-source.ts"

/** What the tree needs in addition to the resources. */
export interface Lookups {
  /** Each offering's customers, by its dashed UUID; `undefined` if the list could not be read. */
  readonly customers: ReadonlyMap<string, CustomerList | undefined>
  readonly gids: ProjectGids
}

/** The names of what a tree needs. */
export interface Needed {
  /** Dashed UUIDs of offerings. */
  readonly offerings: ReadonlySet<string>
  /** Slugs of projects. */
  readonly projects: ReadonlySet<string>
}

/** The customer lists that could be read or were refused. */
export const listsOf = ({ customers }: Lookups): ReadonlyMap<string, CustomerList> =>
  new Map([...customers].flatMap(([offering, list]) => (list === undefined ? [] : [[offering, list]])))

/** The lookups of one refresh. None is made twice, and all run in parallel with other work. */
export interface LookupSession {
  /** Starts new lookups and returns: for a reader that has seen some of the resources. */
  readonly prefetch: (needed: Needed) => Effect.Effect<void>
  /** Waits for what is needed, and returns only that. */
  readonly resolve: (needed: Needed) => Effect.Effect<Lookups>
}

/** @param earlier results that need no new lookup, except GIDs that are not from the API */
export const lookupSession = Effect.fnUntraced(function* (earlier: Lookups | undefined) {
  const gidSource = yield* GidSource
  const waldur = yield* WaldurClient
  // Starts and registers in one step: `resolve` must not find a lookup without its fiber.
  const begin = yield* FiberSet.makeRuntime<never>()
  const lists = new Map<string, Fiber.Fiber<CustomerList | undefined>>()
  const known: ProjectGids = earlier?.gids ?? new Map()
  const gids = new Map<string, ProjectGid>()
  const requested = new Set<string>()
  const needsNoLookup = (project: string) => {
    const gid = known.get(project)
    return (gid !== undefined && isSettled(gid)) || requested.has(project)
  }
  const gidLookups: Array<{ readonly fresh: ReadonlySet<string>; readonly fiber: Fiber.Fiber<void> }> = []
  let hasFailed = false

  const beginLists = (offerings: ReadonlySet<string>) => {
    for (const offering of offerings) {
      if (lists.has(offering) || earlier?.customers.has(offering)) continue
      lists.set(offering, begin(customersOf(waldur, offering)))
    }
  }

  const lookUpGids = (projects: Iterable<string>) => {
    const fresh = new Set<string>()
    for (const project of projects) if (!needsNoLookup(project)) fresh.add(project)
    if (fresh.size === 0) return
    for (const project of fresh) requested.add(project)
    const lookup = Effect.map(gidSource.of(fresh), (found) => {
      for (const [project, gid] of found) {
        gids.set(project, gid)
        hasFailed ||= failureOf(gid) !== undefined
      }
    })
    gidLookups.push({ fresh, fiber: begin(lookup) })
  }

  const session: LookupSession = {
    prefetch: ({ offerings, projects }) =>
      Effect.sync(() => {
        beginLists(offerings)
        // After a failure the API is not called again for each page: the rest is looked up once, at the end.
        if (!hasFailed) lookUpGids(projects)
      }),
    resolve: Effect.fnUntraced(function* ({ offerings, projects }) {
      beginLists(offerings)
      const rest: Array<string> = []
      yield* cooperatively(projects, (project) => void (needsNoLookup(project) || rest.push(project)))
      lookUpGids(rest)
      // A lookup of which no project is needed after all is not waited for: it may hang.
      for (const { fresh, fiber } of gidLookups)
        if ([...fresh].some((project) => projects.has(project))) yield* Fiber.join(fiber)
      const customers = new Map<string, CustomerList | undefined>()
      for (const offering of offerings) {
        const fiber = lists.get(offering)
        customers.set(offering, fiber === undefined ? earlier?.customers.get(offering) : yield* Fiber.join(fiber))
      }
      // After a failure, all of them together decide whether GIDs from before the start still count.
      const isSame = !hasFailed && projects.size === known.size && isUnchanged(known, gids)
      if (isSame) return { customers, gids: known }
      const found = known.size === 0 ? gids : new Map([...known, ...gids])
      return { customers, gids: yield* gidSource.of(projects, found) }
    }),
  }
  return session
})

/** An offering's customers. A list that cannot be read costs only names, not the tree, and is logged. */
const customersOf = (waldur: WaldurClient["Service"], offering: string): Effect.Effect<CustomerList | undefined> =>
  Effect.catchCause(waldur.offeringCustomers(offering), (cause) => {
    const error = Cause.findErrorOption(cause)
    // A token with a reader role at the provider suffices, but may not read customers: no error.
    const isRefused = error._tag === "Some" && error.value._tag === "WaldurRejected" && error.value.status === 403
    if (isRefused) return Effect.succeed("refused")
    return Effect.as(
      Effect.logWarning("Customers cannot be read; their names come from the resources instead").pipe(
        logEvent("customers-unavailable"),
        Effect.annotateLogs({ offering, error: error._tag === "Some" ? error.value.message : "a fault of our own" }),
      ),
      undefined,
    )
  })

/**
 * The earlier lookups that still hold after resources changed: GIDs from the API, and customer lists that could be read
 * and contain the customers of the changed resources.
 */
export const stillGood = ({ customers, gids }: Lookups, changed: ReadonlyArray<WaldurResource>): Lookups => {
  const lists = new Map<string, CustomerList>()
  const byOffering = Map.groupBy(changed, ({ offering_uuid }) => offering_uuid)
  for (const [offering, list] of customers) {
    if (list !== undefined && everyCustomerIn(list, byOffering.get(offering) ?? [])) lists.set(offering, list)
  }
  return { customers: lists, gids: new Map([...gids].filter(([, gid]) => isSettled(gid))) }
}

/** By the GIDs, which stay the same from one refresh to the next unless one changes. */
const unsettled = new WeakMap<ProjectGids, ReadonlySet<string>>()

/** The projects whose GIDs are not from the API, and are looked up again. */
export const unsettledIn = (gids: ProjectGids): ReadonlySet<string> => {
  const known = unsettled.get(gids)
  if (known !== undefined) return known
  const projects = new Set<string>()
  for (const [project, gid] of gids) if (!isSettled(gid)) projects.add(project)
  unsettled.set(gids, projects)
  return projects
}

export const everyCustomerIn = (list: CustomerList, resources: ReadonlyArray<WaldurResource>): boolean => {
  // The next full read requests it again.
  if (list === "refused" || resources.length === 0) return true
  const uuids = new Set(list.map(({ uuid }) => dashedUuid(uuid)))
  const slugs = new Set(list.map(({ slug }) => slug))
  return resources.every(({ customer_uuid, customer_slug }) =>
    customer_uuid == null ? slugs.has(customer_slug) : uuids.has(customer_uuid),
  )
}

/** Whether both have the same content, so that the same resources give the same tree. */
export const sameLookups = (some: Lookups, others: Lookups): boolean =>
  some === others ||
  (sameMaps(some.customers, others.customers, (a, b) => a === b) && sameMaps(some.gids, others.gids, sameGid))

/** Compares failures by their message: the rest of them, such as a time to wait, changes no tree. */
const sameGid = (a: ProjectGid, b: ProjectGid): boolean =>
  a === b ||
  Equal.equals({ ...a, failure: failureOf(a)?.message ?? "" }, { ...b, failure: failureOf(b)?.message ?? "" })

/** Whether GIDs that were looked up again are those that were known. */
const isUnchanged = (known: ProjectGids, again: ProjectGids): boolean => {
  for (const [project, gid] of again) {
    const before = known.get(project)
    if (before === undefined || !sameGid(before, gid)) return false
  }
  return true
}

const isSettled = (gid: ProjectGid) => gid.status === "known" && gid.origin === "api"

/**
 * The lookups of the last refresh, for the same needs: customer lists that could not be read and GIDs that are not from the API
 * are looked up again. The same object if there were none of these, or only GIDs, of which none changed.
 */
export const renewedLookups = Effect.fnUntraced(function* (last: Lookups, needed: Needed) {
  const { customers, gids } = last
  const again = unsettledIn(gids)
  const unread = [...customers.values()].includes(undefined)
  if (again.size === 0 && !unread) return last
  if (unread) return yield* Effect.flatMap(lookupSession(stillGood(last, [])), (session) => session.resolve(needed))
  const { of: gidsOf } = yield* GidSource
  const found = yield* gidsOf(again)
  const changed = [...found].filter(([project, gid]) => !sameGid(gid, gids.get(project) as ProjectGid))
  return changed.length === 0 ? last : { customers, gids: new Map([...gids, ...changed]) }
})

const sameMaps = <A>(some: ReadonlyMap<string, A>, others: ReadonlyMap<string, A>, same: (a: A, b: A) => boolean) => {
  if (some.size !== others.size) return false
  for (const [key, value] of some) {
    if (!others.has(key) || !same(value, others.get(key) as A)) return false
  }
  return true
}

/** Looks up customers and GIDs for a refresh, in parallel with the read of the resources. */
import { type CustomerList, dashedUuid, type GidAnswer, type WaldurResource } from "@cscs/storage-model"
import { WaldurClient } from "@cscs/waldur-client"
import { Cause, Effect, Fiber, FiberSet } from "effect"
import { logEvent } from "../observability/log-events.ts"
import { type GidAnswers, ProjectGids } from "./project-gids.ts"

/** What the tree needs in addition to the resources. */
export interface Lookups {
  /** Each offering's customers, by its dashed UUID; `undefined` if the list could not be read. */
  readonly customers: ReadonlyMap<string, CustomerList | undefined>
  readonly gids: GidAnswers
}

/** The names of what a tree needs. */
export interface Needed {
  /** Dashed UUIDs of offerings. */
  readonly offerings: ReadonlySet<string>
  /** Slugs of projects. */
  readonly projects: ReadonlySet<string>
}

/** The customer lists that could be read or were refused. */
export const readLists = ({ customers }: Lookups): ReadonlyMap<string, CustomerList> =>
  new Map([...customers].flatMap(([offering, list]) => (list === undefined ? [] : [[offering, list]])))

/** The lookups of one refresh. None is made twice, and all run in parallel with other work. */
export interface LookupSession {
  /** Starts new lookups and returns: for a reader that has seen some of the resources. */
  readonly ahead: (needed: Needed) => Effect.Effect<void>
  /** Waits for all that is needed, and returns only that. */
  readonly complete: (needed: Needed) => Effect.Effect<Lookups>
}

/** @param there results that need no new lookup */
export const lookupSession = Effect.fnUntraced(function* (there: Lookups | undefined) {
  const projectGids = yield* ProjectGids
  const waldur = yield* WaldurClient
  // Starts and registers in one step: `complete` must not find a lookup without its fiber.
  const begin = yield* FiberSet.makeRuntime<never>()
  const lists = new Map<string, Fiber.Fiber<CustomerList | undefined>>()
  const asked = new Set(there?.gids.answers.keys())
  const answers = new Map(there?.gids.answers)
  const mocked = new Set(there?.gids.mocked)
  const remembered = new Set(there?.gids.remembered)
  const questions: Array<Fiber.Fiber<void>> = []
  let rememberedReadAt = there?.gids.rememberedReadAt
  let failure = there?.gids.failure

  const readLists = (offerings: ReadonlySet<string>) => {
    for (const offering of offerings) {
      if (lists.has(offering) || there?.customers.has(offering)) continue
      lists.set(offering, begin(customersOf(waldur, offering)))
    }
  }

  const ask = (projects: ReadonlySet<string>) => {
    const unasked = new Set<string>()
    for (const project of projects) if (!asked.has(project)) unasked.add(project)
    if (unasked.size === 0) return
    for (const project of unasked) asked.add(project)
    const question = Effect.map(projectGids.of(unasked), (found) => {
      for (const [project, answer] of found.answers) answers.set(project, answer)
      for (const project of found.mocked) mocked.add(project)
      for (const project of found.remembered) remembered.add(project)
      rememberedReadAt ??= found.rememberedReadAt
      failure ??= found.failure
    })
    questions.push(begin(question))
  }

  const desk: LookupSession = {
    ahead: ({ offerings, projects }) =>
      Effect.sync(() => {
        readLists(offerings)
        // After a failure the API is not called again for each page: the rest is looked up once, at the end.
        if (failure === undefined) ask(projects)
      }),
    complete: Effect.fnUntraced(function* ({ offerings, projects }) {
      readLists(offerings)
      ask(projects)
      for (const question of questions) yield* Fiber.join(question)
      if (remembered.size > 0 && (yield* projectGids.hasAnswered)) {
        // The API has answered for other projects meanwhile: from now on no GID from before the start counts.
        for (const project of remembered) answers.set(project, { status: "unavailable", reason: failure ?? "" })
        remembered.clear()
      }
      const customers = new Map<string, CustomerList | undefined>()
      for (const offering of offerings) {
        const fiber = lists.get(offering)
        customers.set(offering, fiber === undefined ? there?.customers.get(offering) : yield* Fiber.join(fiber))
      }
      const needed = new Map<string, GidAnswer>()
      for (const project of projects) {
        const answer = answers.get(project)
        if (answer !== undefined) needed.set(project, answer)
      }
      const ofNeeded = (projects: ReadonlySet<string>) => new Set([...projects].filter((one) => needed.has(one)))
      const ofBefore = ofNeeded(remembered)
      return {
        customers,
        gids: {
          answers: needed,
          mocked: ofNeeded(mocked),
          remembered: ofBefore,
          rememberedReadAt: ofBefore.size === 0 ? undefined : rememberedReadAt,
          failure,
        },
      }
    }),
  }
  return desk
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
  const answers = new Map<string, GidAnswer>()
  for (const [project, answer] of gids.answers) {
    const isTheApis = !gids.mocked.has(project) && !gids.remembered.has(project)
    if (answer.status === "known" && isTheApis) answers.set(project, answer)
  }
  const lists = new Map<string, CustomerList>()
  const byOffering = Map.groupBy(changed, ({ offering_uuid }) => offering_uuid)
  for (const [offering, list] of customers) {
    if (list !== undefined && everyCustomerIn(list, byOffering.get(offering) ?? [])) lists.set(offering, list)
  }
  return {
    customers: lists,
    gids: { answers, mocked: new Set(), remembered: new Set(), rememberedReadAt: undefined, failure: undefined },
  }
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
  (some.gids.failure === others.gids.failure &&
    some.gids.mocked.size === others.gids.mocked.size &&
    some.gids.remembered.size === others.gids.remembered.size &&
    sameMaps(some.customers, others.customers, (a, b) => a === b) &&
    sameMaps(some.gids.answers, others.gids.answers, (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b)))

/** Whether no lookup is to be made again before the next full read: all GIDs are from the API, and all lists were read. */
export const areSettled = ({ customers, gids }: Lookups): boolean => {
  if (gids.failure !== undefined || gids.mocked.size + gids.remembered.size > 0) return false
  for (const answer of gids.answers.values()) if (answer.status !== "known") return false
  for (const list of customers.values()) if (list === undefined) return false
  return true
}

const sameMaps = <A>(some: ReadonlyMap<string, A>, others: ReadonlyMap<string, A>, same: (a: A, b: A) => boolean) => {
  if (some.size !== others.size) return false
  for (const [key, value] of some) {
    if (!others.has(key) || !same(value, others.get(key) as A)) return false
  }
  return true
}

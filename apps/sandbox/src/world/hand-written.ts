/** All hand-written resources, by label. */
import type { CaseSpec } from "./cases/case-spec.ts"
import { ORDERS } from "./cases/orders.ts"
import { PATHS } from "./cases/paths.ts"
import { PLAIN } from "./cases/plain.ts"
import { QUOTAS } from "./cases/quotas.ts"
import { FURTHER_GIDS, TARGETS } from "./cases/targets.ts"
import { TREE } from "./cases/tree.ts"
import { VALUES } from "./cases/values.ts"
import type { CustomerLists } from "./customer-lists.ts"
import { instant } from "./instants.ts"
import { OFFERINGS } from "./offerings.ts"
import { project } from "./organisations.ts"
import { uuidOf } from "./random.ts"
import { orderRecord, type ResourceSpec, resourceRecord } from "./records.ts"
import type { WaldurRecord, World } from "./world.ts"

/** Resources that are the same for every seed. */
export interface HandWritten {
  /** In the order of the list. */
  cases: readonly CaseSpec[]
  /** Microseconds from each creation to the next. */
  step: number
  /** GIDs of names that are not a project's. */
  gids?: ReadonlyArray<readonly [name: string, gid: number]>
}

/** Plain ones first, so that the first page is easy to read. */
export const EDGE_CASES: HandWritten = {
  cases: [...PLAIN, ...ORDERS, ...VALUES, ...PATHS, ...QUOTAS, ...TARGETS, ...TREE],
  step: 3 * 3_600_000_000 + 7_411_093,
  gids: FURTHER_GIDS,
}

/** Microseconds, as in Waldur: the first creation, and from a creation to its change. */
const FIRST_CREATED = Date.UTC(2024, 1, 1, 8, 30, 11) * 1000 + 470_210
const DAY = 86_400_000_000
const FIRST_GID = 31_001

/** Adds the hand-written resources to the world. */
export function addHandWrittenResources(
  world: World,
  customers: CustomerLists,
  { cases, step, gids = [] }: HandWritten,
): void {
  let created = FIRST_CREATED
  cases.forEach((one, index) => {
    if (!one.tied) created = FIRST_CREATED + index * step
    const offering = OFFERINGS[one.offering]
    const [slug, name] = one.project
    const placed: ResourceSpec = {
      uuid: uuidOf(`resource ${one.label}`),
      creationOrderUuid: uuidOf(`creation order ${one.label}`),
      slug: `${offering.slug}-${one.label}`,
      offering,
      project: project(one.organisation, slug, name),
      created: instant(created),
      modified: instant(created + DAY),
      state: one.state,
      attributes: { name: `${offering.slug}-${one.label}`, permissions: "775", storage_data_type: one.dataType },
      limits: { storage: one.storage },
      options: one.options === null ? null : { ...one.options },
      backendId: one.backendId,
      backendMetadata: { ...one.backendMetadata },
    }
    const row = resourceRecord(placed)
    const creation = row.creation_order as WaldurRecord
    world.orders.push(creation)
    if (one.order?.type === "Create") {
      creation.state = one.order.state
      creation.can_terminate = one.order.state.startsWith("pending")
      row.order_in_progress = creation
    } else if (one.order !== undefined) {
      const order = orderRecord(placed, {
        uuid: uuidOf(`order ${one.label}`),
        created: instant(created + DAY),
        attributes: {},
        limits: {},
        ...structuredClone(one.order),
      })
      world.orders.push(order)
      row.order_in_progress = order
    }
    one.change(row)
    world.resources.push(row)
    world.cases.set(one.label, { label: one.label, about: one.about, row })
    if (typeof row.uuid === "string") world.labels.set(row.uuid, one.label)
    if (!one.unlisted) customers.add(offering, placed.project)
    if (one.gid === "ordinary") {
      if (!world.gids.has(slug)) world.gids.set(slug, FIRST_GID + index)
    } else if (one.gid !== "none") world.gids.set(slug, one.gid.sent)
  })
  for (const [name, gid] of gids) world.gids.set(name, gid)
}

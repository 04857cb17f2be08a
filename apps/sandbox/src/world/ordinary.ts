/** Any number of ordinary resources, generated from a seed. */
import type { JsonObject } from "../json.ts"
import type { CustomerLists } from "./customer-lists.ts"
import { instant } from "./instants.ts"
import { OFFERINGS } from "./offerings.ts"
import { FIELDS, ORGANISATIONS, project } from "./organisations.ts"
import { type Random, random } from "./random.ts"
import { orderRecord, type Project, type ResourceSpec, resourceRecord } from "./records.ts"
import type { WaldurRecord, World } from "./world.ts"

const SYSTEMS = [OFFERINGS.capstor, OFFERINGS.vast, OFFERINGS.iopsstor] as const
const DATA_TYPES = ["store", "archive", "users", "scratch"] as const
const SIZES = [1, 5, 10, 20, 50, 100, 150, 250, 500, 1000] as const
const PERMISSIONS = ["775", "2770", "770", "750"] as const

const FIRST_CREATED = Date.UTC(2024, 5, 3, 6, 0, 0) * 1000
const FIRST_GID = 40_001

/** The number of resources that a migration wrote in one transaction, all with the same `created`: more than fit on a page. */
const MIGRATED = 350
const BETWEEN_MIGRATIONS = 2000

/** Adds `count` ordinary resources; no two of them have the same path. */
export function addOrdinaryResources(world: World, customers: CustomerLists, count: number): void {
  const chance = random(world.seed)
  const organisations = Object.values(ORGANISATIONS)
  let created = FIRST_CREATED
  let group: Project | undefined
  let groups = 0
  let place = 0
  for (let index = 0; index < count; index++) {
    // Every other project has a second resource, on another system: a project per one and a half resources.
    if (group === undefined || place % 2 === 0 || chance.below(2) === 0) {
      group = nextProject(organisations[chance.below(organisations.length)] as (typeof organisations)[number], groups)
      world.gids.set(group.slug, FIRST_GID + groups)
      groups += 1
      place = chance.below(6) * 2
    }
    const tied = index % BETWEEN_MIGRATIONS < MIGRATED ? index % BETWEEN_MIGRATIONS !== 0 : chance.below(20) === 0
    if (!tied) created += 1_000_000 + chance.below(18_000_000)
    addResource(world, customers, chance, group, place, index, created)
    place += 1
  }
}

function nextProject(organisation: Project["organisation"], number: number): Project {
  const [short, name] = FIELDS[number % FIELDS.length] as (typeof FIELDS)[number]
  return project(organisation, `${short}${String(number).padStart(4, "0")}`, `${name} ${number}`)
}

function addResource(
  world: World,
  customers: CustomerLists,
  chance: Random,
  group: Project,
  place: number,
  index: number,
  created: number,
): void {
  // Twelve places, so a project's two resources never share one.
  const offering = SYSTEMS[place % 3] as (typeof SYSTEMS)[number]
  const dataType = DATA_TYPES[place % 4] as (typeof DATA_TYPES)[number]
  const storage = chance.pick(SIZES)
  const slug = [offering.slug, String(index).padStart(6, "0")].join("-")
  const lot = chance.below(1000)
  const under = lot < 30 ? orderInProgress(chance, storage) : undefined
  const text = instant(created)
  const placed: ResourceSpec = {
    uuid: chance.uuid(),
    creationOrderUuid: chance.uuid(),
    slug,
    offering,
    project: group,
    created: text,
    modified: lot % 3 === 0 ? instant(created + chance.below(1e9) * 10_000) : text,
    state: under?.resourceState ?? (lot < 60 ? "Terminated" : lot < 70 ? "Erred" : "OK"),
    attributes: { name: slug, permissions: chance.pick(PERMISSIONS), storage_data_type: dataType },
    limits: { storage },
    options: optionsOf(lot, storage),
    backendId: lot % 5 === 0 ? "" : `${offering.slug}/${group.slug}`,
    backendMetadata: {},
  }
  const row = resourceRecord(placed)
  const creation = row.creation_order as WaldurRecord
  world.orders.push(creation)
  if (under?.type === "Create") {
    creation.state = under.state
    row.order_in_progress = creation
  } else if (under !== undefined) {
    const order = orderRecord(placed, { uuid: chance.uuid(), created: instant(created + 60_000_000), ...under })
    world.orders.push(order)
    row.order_in_progress = order
  }
  world.resources.push(row)
  customers.add(offering, group)
}

function optionsOf(lot: number, storage: number): JsonObject | null {
  switch (lot % 4) {
    case 0:
      return null
    case 1:
      return { soft_quota_space: storage, hard_quota_space: storage * 2 }
    default:
      return {}
  }
}

interface OrderInProgress {
  type: string
  state: string
  attributes: JsonObject
  limits: JsonObject
  resourceState: string
}

function orderInProgress(chance: Random, storage: number): OrderInProgress {
  const state = chance.pick(["pending-consumer", "pending-provider", "pending-provider", "executing", "executing"])
  const executing = state === "executing"
  switch (chance.below(3)) {
    case 0:
      return { type: "Create", state, attributes: {}, limits: { storage }, resourceState: "Creating" }
    case 1:
      return {
        type: "Update",
        state,
        attributes: { old_limits: { storage } },
        limits: { storage: storage * 2 },
        resourceState: executing ? "Updating" : "OK",
      }
    default:
      return { type: "Terminate", state, attributes: {}, limits: {}, resourceState: executing ? "Terminating" : "OK" }
  }
}

/** Builds a world: hand-written edge cases and seeded ordinary resources. */
import { customerLists } from "./customer-lists.ts"
import { addHandWrittenResources, EDGE_CASES, type HandWritten } from "./hand-written.ts"
import { API_URL, CSCS, OFFERINGS, offeringRecord } from "./offerings.ts"
import { addOrdinaryResources } from "./ordinary.ts"
import { ORGANISATIONS } from "./organisations.ts"
import { tokensOf, type World, worldOf } from "./world.ts"

export interface WorldOptions {
  /** Any integer. Affects the ordinary resources only. Default 1. */
  seed?: number
  /**
   * The hand-written ones come first and are always complete; ordinary ones are generated up to this number. Default 60: fewer
   * than the hand-written ones, so none is generated. 100,000 take about a second and 200 MB.
   */
  resources?: number
  /** False omits the hand-written ones: the world has exactly `resources`, all of them valid. Default true. */
  edgeCases?: boolean
}

/** Builds a world that depends only on the options: no clock, no randomness. Never fails. */
export function buildWorld(options: WorldOptions = {}): World {
  const { seed, resources = 60, edgeCases = true } = options
  return buildFrom({
    ...(seed === undefined ? {} : { seed }),
    ...(edgeCases ? EDGE_CASES : NO_CASES),
    ordinary: resources - (edgeCases ? EDGE_CASES.cases.length : 0),
  })
}

const NO_CASES: HandWritten = { cases: [], step: 0 }

/** Builds a world of hand-written resources, followed by `ordinary` generated ones. */
export function buildFrom(options: HandWritten & { seed?: number; ordinary?: number }): World {
  const { seed = 1, ordinary = 0 } = options
  const tokens = tokensOf({ provider: CSCS.uuid, consumer: ORGANISATIONS.ethz.uuid })
  const world = worldOf({ seed, apiUrl: API_URL, tokens })
  const customers = customerLists()
  addHandWrittenResources(world, customers, options)
  addOrdinaryResources(world, customers, ordinary)
  for (const offering of Object.values(OFFERINGS)) {
    const list = customers.of(offering)
    const own = world.resources.filter((row) => row.offering_uuid === offering.uuid).length
    world.customersByOffering.set(offering.uuid, list)
    world.offerings.push(offeringRecord(offering, list.length, own))
  }
  return world
}

/** What counts of a resource of Waldur's, for the entry that it gives. All of it is valid. */
import type { JsonObject } from "@cscs/sandbox"

export interface Facts {
  /** 32 hex digits, as the others. */
  readonly uuid: string
  readonly slug: string
  readonly offeringUuid: string
  readonly offeringSlug: string
  readonly providerSlug: string
  readonly providerName: string
  readonly customerUuid: string
  readonly customerSlug: string
  readonly projectSlug: string
  readonly dataType: string
  readonly created: string
  readonly state: string
  readonly permissions: string
  readonly limits: JsonObject
  readonly options: JsonObject
  readonly backendId: string
  readonly order: OrderFacts | undefined
}

export interface OrderFacts {
  readonly uuid: string
  readonly type: string
  readonly state: string
  readonly limits: JsonObject
  readonly oldLimits: JsonObject
  readonly oldOptions: JsonObject
  readonly newOptions: JsonObject
}

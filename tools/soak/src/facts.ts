/** What counts of a resource of Waldur's, for the entry that it gives. All of it is valid unless `bad` says otherwise. */
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
  /** What is wrong with the record, though its data is live. `undefined` for a record that is as it must be. */
  readonly hostile: HostileRecord | undefined
}

/** A live record that somebody filled with what the contract refuses. */
export interface HostileRecord {
  /** Where its data may be: a removal of this directory, or of one above it, is held back. */
  readonly protects: string
  /** The record tells no more than a directory above its data: a removal anywhere below it is held back too. */
  readonly isVague: boolean
  /**
   * What the record costs: nothing (`odd`), its own entry (`bad`), or its say about the tenant and customer above it
   * too (`malformed`).
   */
  readonly costs: "odd" | "bad" | "malformed"
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

/** The result of a measurement: a table, and targets that were met or missed. */

export interface Target {
  /** The target in words. */
  readonly wanted: string
  /** The result. */
  readonly found: string
  readonly met: boolean
}

export interface Table {
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

/** One question of the document. */
export interface Section {
  readonly question: string
  /** The method of measurement. */
  readonly how: string
  readonly table: Table
  readonly targets: ReadonlyArray<Target>
}

/** One measurement's result in the world of one size: rows and targets for a section. */
export interface Findings {
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
  readonly targets: ReadonlyArray<Target>
}

export const target = (wanted: string, met: boolean, found: string): Target => ({ wanted, found, met })

/** A target that needs something the current server lacks. */
export const unsupported = (wanted: string): Target => ({ wanted, found: notSupported, met: false })

export const notSupported = "not supported"

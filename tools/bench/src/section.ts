/** What a measure says: a table, and targets that were met or not. */

export interface Target {
  /** What is wanted, in words. */
  readonly wanted: string
  /** What was found. */
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
  /** How it was measured. */
  readonly how: string
  readonly table: Table
  readonly targets: ReadonlyArray<Target>
}

/** What one measure found in the world of one size: rows and targets for a section. */
export interface Findings {
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
  readonly targets: ReadonlyArray<Target>
}

export const target = (wanted: string, met: boolean, found: string): Target => ({ wanted, found, met })

/** A target of which today's server does not have the means. */
export const unsupported = (wanted: string): Target => ({ wanted, found: notSupported, met: false })

export const notSupported = "not supported"

/** The result of a measurement: rows of a table, and targets that were met or missed. */

export interface Target {
  /** The target in words. */
  readonly wanted: string
  /** The result. */
  readonly found: string
  readonly met: boolean
}

export type Row = ReadonlyArray<string>

/** One measurement's result in the world of one size. */
export interface Findings {
  readonly rows: ReadonlyArray<Row>
  readonly targets: ReadonlyArray<Target>
}

/** One question of the document. */
export interface Section extends Findings {
  readonly question: string
  /** The method of measurement. */
  readonly how: string
  /** Of the table, separated by ` | `. */
  readonly head: string
}

export const target = (wanted: string, met: boolean, found: string): Target => ({ wanted, found, met })

/** The result of a measurement: rows of a table, and targets that were met or missed. */
import type { Question } from "./questions.ts"

export interface Target {
  /** The target in words. */
  readonly wanted: string
  /** The result. */
  readonly found: string
  readonly met: boolean
}

export type Row = ReadonlyArray<string>

/** One question of the document, with the results of all sizes. */
export interface Section extends Pick<Question, "question" | "how" | "head"> {
  readonly rows: ReadonlyArray<Row>
  readonly targets: ReadonlyArray<Target>
}

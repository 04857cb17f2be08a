/** The result of one check. */
export interface CheckResult {
  /** The subject: `Waldur`, `offering capstor`, `HPC User API`. */
  readonly name: string
  readonly ok: boolean
  /** The observation. */
  readonly detail: string
  /** It works but is probably not intended. */
  readonly isDoubtful?: true
  /** The remedy if it is not ok, or doubtful. */
  readonly advice?: string
}

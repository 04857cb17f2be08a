/** What trying one thing for real showed. */
export interface CheckResult {
  /** What was tried: `Waldur`, `offering capstor`, `HPC User API`. */
  readonly name: string
  readonly ok: boolean
  /** What was seen. */
  readonly detail: string
  /** It works, and is likely not what was meant. */
  readonly isDoubtful?: true
  /** What to do if it is not ok, or doubtful. */
  readonly advice?: string
}

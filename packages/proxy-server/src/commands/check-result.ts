/** What trying one thing for real showed. */
export interface CheckResult {
  /** What was tried: `Waldur`, `offering capstor`, `HPC User API`. */
  readonly name: string
  readonly ok: boolean
  /** What was seen. */
  readonly detail: string
  /** What to do where it is not ok. */
  readonly advice?: string
}

/** The exit codes of the process. A signal adds its number to 128. */
export const exitCodes = {
  /** Done; `serve`: also if a signal stopped it. */
  done: 0,
  /** Something failed: an upstream, a file, a check. */
  failed: 1,
  /** The configuration or the command line is wrong. */
  wrongConfiguration: 2,
  /** `explain`: no requested entry is in the list, because it is skipped or nothing matches. */
  absent: 3,
  /** `diff`: the lists differ. */
  different: 4,
} as const

/** By the tag of the error that ended the process. All other errors mean `failed`. */
const byTag: Readonly<Record<string, number>> = {
  ConfigurationInvalid: exitCodes.wrongConfiguration,
  InvalidSelection: exitCodes.wrongConfiguration,
  WrongCommandLine: exitCodes.wrongConfiguration,
  // The errors of the command line parser.
  ShowHelp: exitCodes.wrongConfiguration,
  NotInTheList: exitCodes.absent,
  ListsDiffer: exitCodes.different,
}

/** The exit code of an error with this `_tag`. */
export const exitCodeOf = (tag: unknown): number =>
  typeof tag === "string" && Object.hasOwn(byTag, tag) ? (byTag[tag] ?? exitCodes.failed) : exitCodes.failed

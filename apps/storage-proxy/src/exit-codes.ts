/** What the process ends with. */
export const exitCodes = {
  /** Done, or stopped by a signal. */
  done: 0,
  /** Something failed: an upstream, a file, a check. */
  failed: 1,
  /** The configuration or the command line is wrong. */
  wrongConfiguration: 2,
  /** What `explain` was asked for is not in the list: it is left out, or nothing of the kind was found. */
  absent: 3,
} as const

/** By the tag of the error that ended it; whatever is not here has failed. */
const byTag: Readonly<Record<string, number>> = {
  ConfigurationInvalid: exitCodes.wrongConfiguration,
  InvalidSelection: exitCodes.wrongConfiguration,
  WrongCommandLine: exitCodes.wrongConfiguration,
  // The command line's own errors.
  ShowHelp: exitCodes.wrongConfiguration,
  NotInTheList: exitCodes.absent,
}

/** The exit code of an error with this `_tag`. */
export const exitCodeOf = (tag: unknown): number =>
  typeof tag === "string" && Object.hasOwn(byTag, tag) ? (byTag[tag] ?? exitCodes.failed) : exitCodes.failed

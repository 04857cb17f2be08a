/** An error and its chain of causes, outermost first; `TypeError: fetch failed` alone is not informative. */
export const causesOf = (thrown: unknown): ReadonlyArray<Error> => {
  const causes: Array<Error> = []
  // Bounded, since the chain may be cyclic.
  for (let cause = thrown; cause instanceof Error && causes.length < 8; cause = cause.cause) causes.push(cause)
  return causes
}

/** An error's own message. The AggregateError of Happy Eyeballs has none, so its parts are joined. */
export const textOf = (error: Error): string =>
  error.message || (error instanceof AggregateError ? error.errors.map(String).join("; ") : "")

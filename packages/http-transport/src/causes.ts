/** An error and the causes that it hides (`TypeError: fetch failed` says nothing itself), from the outermost inwards. */
export const causesOf = (thrown: unknown): ReadonlyArray<Error> => {
  const causes: Array<Error> = []
  // Bounded, for a cause may be its own.
  for (let cause = thrown; cause instanceof Error && causes.length < 8; cause = cause.cause) causes.push(cause)
  return causes
}

/** What an error says by itself. Happy eyeballs gives one without a message; its parts have one each. */
export const textOf = (error: Error): string =>
  error.message || (error instanceof AggregateError ? error.errors.map(String).join("; ") : "")

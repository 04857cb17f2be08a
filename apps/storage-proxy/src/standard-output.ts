/** The output of commands. */
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { Data, Effect } from "effect"

/** Standard output cannot be written. */
class CannotPrint extends Data.TaggedError("CannotPrint")<{ readonly detail: string }> {
  override get message() {
    return `Cannot write to standard output: ${this.detail}`
  }
}

/** Writes texts to standard output as fast as they are read. A reader that stops early, such as `head`, is not an error. */
export const print = (texts: Iterable<string>): Effect.Effect<void, CannotPrint> =>
  Effect.tryPromise({
    try: () => pipeline(Readable.from(texts), process.stdout, { end: false }),
    catch: (error) => error as NodeJS.ErrnoException,
  }).pipe(
    Effect.catch((error) => {
      if (error.code === "EPIPE" || error.code === "ERR_STREAM_PREMATURE_CLOSE") return Effect.void
      // An error of the system names its call; anything else is a fault in making the texts.
      return error.syscall === undefined ? Effect.die(error) : Effect.fail(new CannotPrint({ detail: error.message }))
    }),
  )

/** Prints a value as JSON. */
export const printJson = (value: unknown) => print([`${JSON.stringify(value, null, 2)}\n`])

import { Data } from "effect"

/** Flags that cannot be combined, or an unusable argument. */
export class WrongCommandLine extends Data.TaggedError("WrongCommandLine")<{ readonly message: string }> {}

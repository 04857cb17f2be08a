/** The error for an output file that cannot be written. */
import { Data } from "effect"

/** A file that an option names cannot be written. */
export class CannotWrite extends Data.TaggedError("CannotWrite")<{ readonly path: string; readonly reason: string }> {
  override get message() {
    return `Cannot write ${this.path}: ${this.reason}`
  }
}

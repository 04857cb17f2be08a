/** The error of a file that the caller named. */
import { Data } from "effect"

/** A file that the caller asked for cannot be written. */
export class CannotWrite extends Data.TaggedError("CannotWrite")<{ readonly path: string; readonly reason: string }> {
  override get message() {
    return `Cannot write ${this.path}: ${this.reason}`
  }
}

/**
 * The mark of ownership on a directory itself: an extended attribute with the item's ID. As root it is in the name space
 * `trusted`, which users cannot write: a group could forge `user.*` on its directory. Node cannot read extended attributes,
 * so Debian's `attr` must be installed; without it, or on a file system without them (NFS), the registry is the only mark.
 */
import { Effect } from "effect"
import type { DriverError } from "../drivers/driver.ts"
import type { Directory } from "./directory.ts"
import { givenDirectory, runProgram } from "./run-program.ts"

const attribute = `${process.geteuid?.() === 0 ? "trusted" : "user"}.cscs.item-id`

/** The item's ID, or `null` without a mark. */
export const readMark = (directory: Directory): Effect.Effect<string | null, DriverError> =>
  runProgram("getfattr", ["--only-values", "-n", attribute, "--", givenDirectory], { given: directory }).pipe(
    Effect.map(({ code, stdout }) => (code === 0 && stdout !== "" ? stdout : null)),
    Effect.catchTag("Refused", () => Effect.succeed(null)),
  )

/** Marks a new directory, if its file system keeps such marks. */
export const writeMark = (directory: Directory, itemId: string): Effect.Effect<void, DriverError> =>
  runProgram("setfattr", ["-n", attribute, "-v", itemId, "--", givenDirectory], { given: directory }).pipe(
    Effect.catchTag("Refused", () => Effect.void),
    Effect.asVoid,
  )

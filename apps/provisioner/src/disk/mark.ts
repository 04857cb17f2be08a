/**
 * The mark of ownership on a directory itself: an extended attribute with the item's ID. As root it is in the name space
 * `trusted`, which users cannot write: a group could forge `user.*` on its directory. Node cannot read extended attributes,
 * so Debian's `attr` must be installed; without it, without CAP_SYS_ADMIN as root, or on a file system without them (NFS), only
 * the registry knows the owner.
 */
import { Effect } from "effect"
import type { DriverError } from "../drivers/driver.ts"
import type { Directory } from "./directory.ts"
import { givenDirectory, outputOf, runProgram } from "./run-program.ts"

const attribute = `${process.geteuid?.() === 0 ? "trusted" : "user"}.cscs.item-id`

/** The item's ID, or `null` without a mark, or if no mark can be read here at all. */
export const readMark = (directory: Directory): Effect.Effect<string | null, DriverError> =>
  outputOf("getfattr", ["--only-values", "-n", attribute, "--", givenDirectory], {
    given: directory,
    // ENODATA and ENOTSUP. After any other error there may be a mark.
    meaning: ({ stderr }) => (/No such attribute|not supported/i.test(stderr) ? "refused" : "unknown"),
  }).pipe(
    Effect.catchTag("Refused", () => Effect.succeed("")),
    Effect.map((mark) => (mark === "" ? null : mark)),
  )

/** Marks a directory as the item's, replacing any other mark. Not an error if that fails: the registry has the item, too. */
export const writeMark = (directory: Directory, itemId: string): Effect.Effect<void, DriverError> =>
  runProgram("setfattr", ["-n", attribute, "-v", itemId, "--", givenDirectory], { given: directory }).pipe(
    Effect.catchTag("Refused", () => Effect.void),
    Effect.asVoid,
  )

/**
 * A process that does nothing but keep snapshots in a file, one after the other, until it is killed or all are there:
 * `node a-writer.ts <file> <identity> <the first one's number> <how many>`. It says which it begins and which it has
 * written.
 */
import { writeSync } from "node:fs"
import { Effect } from "effect"
import { writeSnapshotFile } from "../src/persistence/snapshot-file.ts"
import { numberedSnapshot } from "./a-numbered-snapshot.ts"

const [path = "", identity = "", first = "", count = ""] = process.argv.slice(2)
for (let number = Number(first); number < Number(first) + Number(count); number += 1) {
  const taken = numberedSnapshot(number)
  // At once, so that it is said even if it is the last thing that this process does.
  writeSync(1, `begun ${number}\n`)
  await Effect.runPromise(writeSnapshotFile(path, identity, taken))
  writeSync(1, `written ${number}\n`)
}

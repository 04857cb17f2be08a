/**
 * A process that only writes snapshots to a file, one after the other, until it is killed or all are written: `node
 * a-writer.ts <file> <identity> <first number> <count>`. It prints the number of each snapshot that it begins and that
 * it has written.
 */
import { writeSync } from "node:fs"
import { Effect } from "effect"
import { writeSnapshotFile } from "../src/persistence/snapshot-file.ts"
import { numberedSnapshot } from "./a-numbered-snapshot.ts"

const [path = "", identity = "", first = "", count = ""] = process.argv.slice(2)
for (let number = Number(first); number < Number(first) + Number(count); number += 1) {
  const taken = numberedSnapshot(number)
  // Synchronous, so that it is printed even if it is the last thing that this process does.
  writeSync(1, `begun ${number}\n`)
  await Effect.runPromise(writeSnapshotFile(path, identity, taken))
  writeSync(1, `written ${number}\n`)
}

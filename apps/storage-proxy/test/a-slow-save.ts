/** `node a-slow-save.ts FILE TEXT LINES`: saves that many lines of a text, for a test that kills it. */
import { Effect } from "effect"
import { writeAtomically } from "../src/atomic-write.ts"

const [, , path = "", text = "", lines = "0"] = process.argv

function* texts() {
  for (let line = 0; line < Number(lines); line++) yield `${text}\n`
}

process.stdout.write("begins\n")
await Effect.runPromise(writeAtomically(path, texts()))
process.stdout.write("ended\n")

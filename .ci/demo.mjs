/**
 * `node .ci/demo.mjs FOLDER`: starts the README's `npx -y pnpm@12 demo` in a clone, asks it for its list as the README's
 * reader would, and stops it as Ctrl+C does. Ends with exit code 1 if the list is not as it should be, or if Ctrl+C does not
 * end all of the demo in one quiet line. Any Node from 20 on.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { setTimeout as pause } from "node:timers/promises"

const [, , folder] = process.argv
const list = "http://127.0.0.1:8080/api/storage-resources/"
// The first call installs; the rest is generous for a machine that is busy.
const READY_WITHIN_MS = 300_000
const ENDED_WITHIN_MS = 30_000

const listResponse = async () =>
  fetch(list).then(
    (response) => response,
    () => undefined,
  )
const failed = (why) => {
  console.log(`The demo: ${why}`)
  process.exitCode = 1
}

if ((await listResponse()) !== undefined) {
  failed("something else serves at port 8080")
  process.exit()
}

// A process group of its own, which is what a terminal's Ctrl+C reaches.
const demo = spawn("npx", ["-y", "pnpm@12", "demo"], { cwd: folder, stdio: ["ignore", "pipe", "pipe"], detached: true })
let output = ""
for (const stream of [demo.stdout, demo.stderr]) {
  stream.setEncoding("utf8").on("data", (text) => {
    output += text
  })
}
const ended = once(demo, "close").then(() => true)
let isRunning = true
ended.then(() => {
  isRunning = false
})
const toAll = (signal) => {
  try {
    process.kill(-demo.pid, signal)
  } catch {
    // All have ended.
  }
}

try {
  const end = Date.now() + READY_WITHIN_MS
  // It prints the tree, and then what to try.
  while (isRunning && !output.includes("Ctrl+C") && Date.now() < end) await pause(200)
  const response = await listResponse()
  const { resources = [], pagination } = response === undefined ? {} : await response.json()
  if (response?.status !== 200) failed(`its list is a ${response?.status ?? "refused connection"}`)
  else if (!(resources.length > 0 && pagination.total >= resources.length)) failed("its list is empty")
  else if (!output.includes(`${pagination.total} entries`)) failed(`it does not print its ${pagination.total} entries`)
  else console.log(`The demo serves ${pagination.total} entries`)
} catch (error) {
  failed(String(error))
} finally {
  const printed = output.length
  toAll("SIGINT")
  if (!(await Promise.race([ended, pause(ENDED_WITHIN_MS, false)]))) failed("Ctrl+C does not end it")
  else if (output.slice(printed).trim() !== "The demo has ended.") failed("Ctrl+C does not end it in one quiet line")
  toAll("SIGKILL")
  if (process.exitCode === 1) console.log(output)
}
process.exit()

/** Imports the package that the first parameter names, and fails if that changes anything that others can see. */
const listeners = () => process.eventNames().map((event) => String(event) + process.listenerCount(event))
const seen = () => ({
  // Node's own fetch sets its pool there on first use; whether undici or Node does so does not matter.
  globals: Reflect.ownKeys(globalThis)
    .map(String)
    .filter((key) => !key.includes("undici.globalDispatcher")),
  prototypes: [Object, Array, Promise, Function, Map, String].map((one) => Reflect.ownKeys(one.prototype).length),
  listeners: listeners().toSorted(),
  environment: { ...process.env },
  open: process.getActiveResourcesInfo().toSorted(),
})
// Opened on first use, and `debug` checks whether its output is a terminal.
for (const stream of [process.stdout, process.stderr]) stream.isTTY
const before = seen()
const exported = await import(process.argv[2])
const after = seen()
for (const key of Object.keys(before)) {
  const [was, is] = [JSON.stringify(before[key]), JSON.stringify(after[key])]
  if (was !== is) throw new Error(`importing it changed ${key}: ${was} -> ${is}`)
}
if (Object.keys(exported).length === 0) throw new Error("it exports nothing")

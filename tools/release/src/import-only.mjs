/** Imports the package that the first argument names, and fails if the import changes any state that other code can see. */
const listeners = () => process.eventNames().map((event) => String(event) + process.listenerCount(event))
const seen = () => ({
  // Node's own fetch sets its connection pool there on first use; it does not matter whether undici or Node does so.
  globals: Reflect.ownKeys(globalThis)
    .map(String)
    .filter((key) => !key.includes("undici.globalDispatcher")),
  prototypes: [Object, Array, Promise, Function, Map, String].map((one) => Reflect.ownKeys(one.prototype).length),
  listeners: listeners().toSorted(),
  environment: { ...process.env },
  open: process.getActiveResourcesInfo().toSorted(),
})
// Opens both streams, which `debug` would otherwise do when it checks for a terminal.
for (const stream of [process.stdout, process.stderr]) stream.isTTY
const before = seen()
const exported = await import(process.argv[2])
const after = seen()
for (const key of Object.keys(before)) {
  const [was, is] = [JSON.stringify(before[key]), JSON.stringify(after[key])]
  if (was !== is) throw new Error(`importing it changed ${key}: ${was} -> ${is}`)
}
if (Object.keys(exported).length === 0) throw new Error("it exports nothing")

/**
 * The plainest reader of the same data: bare fetch, the same lists with the same fields, eight pages side by side,
 * JSON.parse, nothing kept. Imports nothing, and is JavaScript, so that no stripping of types is part of its time.
 *
 * Its task is JSON in its first parameter: `origin` (`http://127.0.0.1:8001`), `token`, `lists` (each with `path` and
 * `query`, which has a `page_size`). Prints the bytes, and milliseconds of processor time, as a line of JSON.
 */
const { origin, token, lists } = JSON.parse(process.argv[2])
let bytes = 0

const read = async (path, query, page) => {
  const response = await fetch(`${origin}${path}?${query}&page=${page}`, {
    headers: { Authorization: `Token ${token}`, Accept: "application/json" },
  })
  const body = Buffer.from(await response.arrayBuffer())
  if (response.status !== 200) throw new Error(`${path}?${query}: ${response.status}`)
  JSON.parse(body.toString())
  bytes += body.length
  return Number(response.headers.get("x-result-count"))
}

/** The first page tells how many there are; from then on any worker takes whichever page is next. */
const tasks = lists.map(({ path, query }) => async () => {
  const size = Number(new URLSearchParams(query).get("page_size"))
  const last = Math.ceil((await read(path, query, 1)) / size)
  for (let page = 2; page <= last; page++) tasks.push(() => read(path, query, page))
})

const busy = new Set()
while (tasks.length > 0 || busy.size > 0) {
  while (busy.size < 8 && tasks.length > 0) {
    const [task] = tasks.splice(0, 1)
    const done = task().then(() => busy.delete(done))
    busy.add(done)
  }
  await Promise.race(busy)
}
const { user, system } = process.cpuUsage()
console.log(JSON.stringify({ bytes, cpu: (user + system) / 1000 }))
process.exit(0)

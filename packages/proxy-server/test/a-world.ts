import { buildWorld, type WaldurRecord, type World } from "@cscs/sandbox"

const partnersOffering = "627b109b08c85ee5ab1cf7977d03f261"

/**
 * A world of valid resources, all OK and without orders except the first five, one for each other state of Waldur's;
 * the Terminating one has the order without which it would be held back.
 */
export const aWorld = (resources = 40): World => {
  const world = buildWorld({ edgeCases: false, resources })
  // One offering for each slug: two cause a warning.
  world.offerings = world.offerings.filter(({ uuid }) => uuid !== partnersOffering)
  for (const row of world.resources) Object.assign(row, { state: "OK", order_in_progress: null })
  for (const [index, state] of ["Creating", "Erred", "Updating", "Terminating", "Terminated"].entries()) {
    rowOf(world, index).state = state
    if (state !== "Terminating") continue
    const row = rowOf(world, index)
    row.order_in_progress = { ...(row.creation_order as WaldurRecord), type: "Terminate", state: "executing" }
  }
  return world
}

export const rowOf = (world: World, index: number): WaldurRecord => {
  const row = world.resources[index]
  if (row === undefined) throw new Error(`the world has no resource ${index}`)
  return row
}

export const dashed = (uuid: unknown): string =>
  String(uuid).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

const placeOf = (row: WaldurRecord) => ({
  system: String(row.offering_slug),
  type: String((row.attributes as WaldurRecord).storage_data_type),
  provider: String(row.provider_slug),
  customer: String(row.customer_slug),
  project: String(row.project_slug),
})

/** The mount points of the tree above and at these rows, by the contract; unordered. */
export const mountPointsOf = (rows: ReadonlyArray<WaldurRecord>): ReadonlySet<string> => {
  const paths = rows.flatMap((row) => {
    const { system, type, provider, customer, project } = placeOf(row)
    const tenant = `/${system}/${type}/${provider}`
    return [tenant, `${tenant}/${customer}`, `${tenant}/${customer}/${project}`]
  })
  return new Set(paths)
}

/** The text of a list as a guard keeps it: an Erred entry has callback URLs, a kept one has none. */
export const withoutCallbackUrls = (text: string): string => text.replace(/,"\w+_url":"[^"]*"/g, "")

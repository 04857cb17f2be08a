/** The filters of Waldur's lists of resources. */
import { asObject } from "../json.ts"
import type { WaldurRecord } from "../world/world.ts"
import { type Dialect, FILTERS_OF_8 } from "./dialect.ts"
import { invalidField } from "./errors.ts"
import { instantParameter, instantText } from "./instants.ts"

const RESOURCE_STATES = ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated"]

export const ORDER_STATES = [
  "pending-consumer",
  "pending-provider",
  "pending-project",
  "pending-start-date",
  "executing",
  "done",
  "erred",
  "canceled",
  "rejected",
]

/** Order states in which the provider cannot see the order yet. */
const BEFORE_PROVIDER = ["pending-consumer", "pending-project", "pending-start-date"]

const ORDERINGS: Record<string, string> = {
  name: "name",
  created: "created",
  project_name: "project_name",
  customer_name: "customer_name",
  offering_name: "offering_name",
  plan_name: "plan_name",
  backend_id: "backend_id",
  state: "state",
  end_date: "end_date",
}
const ORDERINGS_OF_7 = ["name", "created"]

export type Test = (row: WaldurRecord) => boolean

/** The filters of `/api/marketplace-resources/` as one predicate, or the 400 for an invalid value. */
export function resourceFilter(query: URLSearchParams, dialect: Dialect): Test | Response {
  const tests: Test[] = []
  for (const name of new Set(query.keys())) {
    if (dialect === "7.0.7" && FILTERS_OF_8.includes(name)) continue
    // An empty value does not filter. Of repeated values the last counts, unless the filter accepts several.
    const values = query.getAll(name).filter((value) => value !== "")
    const last = query.getAll(name).at(-1) ?? ""
    if (values.length === 0) continue
    const test = testOf(name, values, last, dialect)
    if (test instanceof Response) return test
    if (test !== undefined) tests.push(test)
  }
  return (row) => tests.every((test) => test(row))
}

function testOf(name: string, values: string[], last: string, dialect: Dialect): Test | Response | undefined {
  switch (name) {
    case "state":
      return choice(name, values, RESOURCE_STATES, (row, wanted) => wanted.has(row.state))
    case "order_state":
      // Waldur searches all orders of a resource, but only one of them is in a state before the end.
      return choice(name, values, ORDER_STATES, (row, wanted) => {
        const order = asObject(row.order_in_progress)
        return order !== undefined && wanted.has(order.state)
      })
    case "visible_to_providers":
      return /^true$/i.test(last) ? visibleToProviders : undefined
    case "offering_slug":
      return last === "" ? undefined : oneOf("offering_slug", last.split(","))
    case "offering_uuid":
    case "project_uuid":
    case "customer_uuid":
    case "provider_uuid": {
      if (last === "") return undefined
      const wanted = (name === "offering_uuid" ? last.split(",") : [last]).map(plainUuid)
      return wanted.every((uuid) => /^[0-9a-f]{32}$/.test(uuid))
        ? oneOf(name, wanted)
        : invalidField(name, "Enter a valid UUID.")
    }
    case "slug":
      return last === "" ? undefined : oneOf("slug", [last])
    case "name_exact":
      return last === "" ? undefined : oneOf("name", [last])
    case "query":
      return last === "" ? undefined : mentions(last)
    case "created":
    case "modified":
      return period(name, name, last, dialect, (time, bound) => time >= bound)
    case "created_before":
    case "modified_before":
      return period(name, name.slice(0, -"_before".length), last, dialect, (time, bound) => time <= bound)
    default:
      return undefined
  }
}

function choice(
  name: string,
  values: string[],
  allowed: string[],
  test: (row: WaldurRecord, wanted: Set<unknown>) => boolean,
): Test | Response {
  const bad = values.find((value) => !allowed.includes(value))
  if (bad !== undefined) {
    return invalidField(name, `Select a valid choice. ${bad} is not one of the available choices.`)
  }
  const wanted = new Set<unknown>(values)
  return (row) => test(row, wanted)
}

function oneOf(field: string, values: string[]): Test {
  const wanted = new Set<unknown>(values)
  return (row) => wanted.has(row[field])
}

function mentions(text: string): Test {
  const wanted = text.toLowerCase()
  const fields = ["name", "slug", "uuid", "backend_id", "project_name", "customer_name"]
  return (row) =>
    fields.some((field) =>
      String(row[field] ?? "")
        .toLowerCase()
        .includes(wanted),
    )
}

function period(
  name: string,
  field: string,
  value: string,
  dialect: Dialect,
  test: (time: string, bound: string) => boolean,
): Test | Response | undefined {
  if (value === "") return undefined
  if (dialect === "7.0.7" && !/^\d{4}-\d\d-\d\d$/.test(value)) return invalidField(name, "Enter a valid date.")
  const bound = instantParameter(value)
  if (bound === undefined) return invalidField(name, "Enter a valid date/time.")
  return (row) => {
    const time = instantText(row[field])
    return time !== undefined && test(time, bound)
  }
}

function visibleToProviders(row: WaldurRecord): boolean {
  if (row.state !== "Creating") return true
  const order = asObject(row.order_in_progress)
  return order === undefined || !BEFORE_PROVIDER.includes(String(order.state))
}

function plainUuid(uuid: string): string {
  return uuid.trim().toLowerCase().replaceAll("-", "")
}

/** The sort order of `o=`; default `created`. Waldur has no secondary key, so tied rows have no defined order. */
export function resourceOrdering(
  query: URLSearchParams,
  dialect: Dialect,
): ((a: WaldurRecord, b: WaldurRecord) => number) | Response {
  const names = (query.getAll("o").at(-1) ?? "").split(",").filter((name) => name !== "")
  const keys: Array<{ field: string; sign: 1 | -1 }> = []
  for (const name of names) {
    const plain = name.replace(/^-/, "")
    const field = dialect === "8.x" || ORDERINGS_OF_7.includes(plain) ? ORDERINGS[plain] : undefined
    if (field === undefined) {
      return invalidField("o", `Select a valid choice. ${name} is not one of the available choices.`)
    }
    keys.push({ field, sign: name.startsWith("-") ? -1 : 1 })
  }
  if (keys.length === 0) keys.push({ field: "created", sign: 1 })
  return (a, b) => {
    for (const { field, sign } of keys) {
      const one = a[field]
      const other = b[field]
      if (one === other) continue
      // As in PostgreSQL, null comes last, or first in descending order.
      if (typeof one !== "string") return typeof other !== "string" ? 0 : sign
      if (typeof other !== "string") return -sign
      return one < other ? -sign : sign
    }
    return 0
  }
}

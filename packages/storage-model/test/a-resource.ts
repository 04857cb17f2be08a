/** A row of `GET /api/marketplace-provider-resources/`. */
export type Row = Readonly<Record<string, unknown>>

const served: Row = {
  uuid: "44d1e2669fbc50bc8c11fe312cab9dd3",
  slug: "climate-store",
  state: "OK",
  created: "2025-10-19T01:28:30.577036Z",
  offering_uuid: "433b52eadaa45d15850280ac8e2ebc8a",
  offering_slug: "capstor",
  provider_slug: "cscs",
  provider_name: "CSCS",
  customer_uuid: "ae3b26cfe7e85fb1ba5a056af79c371f",
  customer_slug: "university-physics",
  customer_name: "University Physics",
  project_uuid: "5a1c0f0d3b2e4c6f8d7e9a0b1c2d3e4f",
  project_slug: "climate-sim",
  project_name: "Climate Simulation",
  attributes: { permissions: "2770", storage_data_type: "store" },
  limits: { storage: 50 },
  options: {},
  backend_id: "",
  backend_metadata: {},
  order_in_progress: null,
}

/** A row that is served, with these changes. A field that is `undefined` in them is absent. */
export const aResource = (changes: Row = {}): Row => present({ ...served, ...changes })

const present = (row: Row): Row => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined))

/** A numbered UUID in Waldur's notation. */
export const uuidNumber = (number: number): string => number.toString(16).padStart(32, "0")

/** The same UUID in the notation of entries. */
export const dashedNumber = (number: number): string =>
  uuidNumber(number).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")

/** `served`'s uuid, offering and customer in the notation of entries. */
export const resourceId = "44d1e266-9fbc-50bc-8c11-fe312cab9dd3"
export const offeringId = "433b52ea-daa4-5d15-8502-80ac8e2ebc8a"
export const customerId = "ae3b26cf-e7e8-5fb1-ba5a-056af79c371f"

/** An order in progress, as Waldur nests it in its resource. */
export const anOrder = (changes: Row = {}): Row =>
  present({
    type: "Update",
    state: "executing",
    url: "https://waldur.example.com/api/marketplace-orders/b97da3cb155550148aaf4ba830f78240/",
    limits: {},
    attributes: {},
    ...changes,
  })

/** The fields of a row that is being removed, by a Terminate order that is executing. */
export const terminating: Row = {
  state: "Terminating",
  order_in_progress: anOrder({ type: "Terminate", state: "executing" }),
}

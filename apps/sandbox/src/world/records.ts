/** Waldur's records for organisations, projects, resources and orders. */
import type { Json, JsonObject } from "../json.ts"
import { API_URL, type Offering } from "./offerings.ts"
import { uuidOf } from "./random.ts"
import type { WaldurCustomer, WaldurRecord } from "./world.ts"

/** An organisation that orders storage: Waldur's customer. */
export interface Organisation {
  slug: string
  name: string
  uuid: string
}

/** A project of an organisation, with the Unix group of the same name. */
export interface Project {
  slug: string
  name: string
  uuid: string
  url: string
  organisation: Organisation
}

/** The fields that differ between resources. */
export interface ResourceSpec {
  uuid: string
  creationOrderUuid: string
  slug: string
  offering: Offering
  project: Project
  created: string
  modified: string
  state: string
  attributes: JsonObject
  limits: JsonObject
  options: JsonObject | null
  backendId: string
  backendMetadata: JsonObject
}

/** Shared by all rows, and frozen so that a change cannot affect a hundred thousand of them at once. */
const NO_KEYS: JsonObject = Object.freeze({})
const NO_ITEMS: Json[] = Object.freeze([]) as unknown as Json[]
const NO_USAGE: JsonObject = Object.freeze({ storage: null })

const CATEGORY_UUID = uuidOf("category storage")

/** A resource row as 8.x sends it, with its creation order and without an order in progress. */
export function resourceRecord(spec: ResourceSpec): WaldurRecord {
  const { offering, project } = spec
  const { organisation } = project
  const { offering: offeringUrl, plan: planUrl } = linksOf(offering)
  // One literal with every field: rows of the same shape take a fraction of the memory and time.
  return {
    offering: offeringUrl,
    offering_name: offering.name,
    offering_uuid: offering.uuid,
    offering_description: "",
    offering_image: null,
    offering_thumbnail: null,
    offering_type: offering.type,
    offering_terms_of_service: "",
    offering_shared: true,
    offering_billable: true,
    offering_plugin_options: NO_KEYS,
    provider_name: offering.provider.name,
    provider_uuid: offering.provider.uuid,
    category_title: "Storage",
    category_uuid: CATEGORY_UUID,
    category_icon: null,
    plan: planUrl,
    plan_unit: "month",
    plan_name: "Default",
    plan_uuid: offering.planUuid,
    plan_description: "",
    attributes: spec.attributes,
    limits: spec.limits,
    uuid: spec.uuid,
    created: spec.created,
    modified: spec.modified,
    url: [API_URL, "marketplace-resources/", spec.uuid, "/"].join(""),
    scope: null,
    description: "",
    state: spec.state,
    resource_uuid: null,
    backend_id: spec.backendId,
    effective_id: "",
    resource_type: null,
    project: project.url,
    project_uuid: project.uuid,
    project_name: project.name,
    project_description: "",
    project_end_date: null,
    project_end_date_requested_by: null,
    customer_uuid: organisation.uuid,
    customer_name: organisation.name,
    backend_metadata: spec.backendMetadata,
    is_usage_based: false,
    is_limit_based: true,
    name: spec.slug,
    slug: spec.slug,
    current_usages: NO_KEYS,
    can_terminate: spec.state === "OK",
    report: null,
    end_date: null,
    end_date_requested_by: null,
    username: null,
    limit_usage: NO_USAGE,
    downscaled: false,
    restrict_member_access: false,
    paused: false,
    endpoints: NO_ITEMS,
    error_message: "",
    error_traceback: "",
    offering_customer_uuid: offering.provider.uuid,
    options: spec.options,
    available_actions: NO_ITEMS,
    provider_slug: offering.provider.slug,
    offering_slug: offering.slug,
    project_slug: project.slug,
    customer_slug: organisation.slug,
    offering_state: "Active",
    offering_backend_id: "",
    order_in_progress: null,
    creation_order: orderRecord(spec, {
      uuid: spec.creationOrderUuid,
      type: "Create",
      state: "done",
      created: spec.created,
      attributes: { ...spec.attributes },
      limits: { ...spec.limits },
    }),
  }
}

/** The fields that differ between orders. */
export interface OrderSpec {
  uuid: string
  type: string
  state: string
  created: string
  attributes: JsonObject
  limits: JsonObject
}

/** An order of the resource as 8.x sends it, in the orders list and nested in the resource. */
export function orderRecord(resource: ResourceSpec, order: OrderSpec): WaldurRecord {
  const { offering, project } = resource
  const { organisation } = project
  const { offering: offeringUrl, plan: planUrl } = linksOf(offering)
  return {
    offering: offeringUrl,
    offering_name: offering.name,
    offering_uuid: offering.uuid,
    offering_description: "",
    offering_image: null,
    offering_thumbnail: null,
    offering_type: offering.type,
    offering_terms_of_service: "",
    offering_shared: true,
    offering_billable: true,
    offering_plugin_options: NO_KEYS,
    provider_name: offering.provider.name,
    provider_uuid: offering.provider.uuid,
    category_title: "Storage",
    category_uuid: CATEGORY_UUID,
    category_icon: null,
    plan: planUrl,
    plan_unit: "month",
    plan_name: "Default",
    plan_uuid: offering.planUuid,
    plan_description: "",
    attributes: order.attributes,
    limits: order.limits,
    uuid: order.uuid,
    created: order.created,
    modified: order.created,
    type: order.type,
    resource_uuid: null,
    resource_type: null,
    resource_name: resource.slug,
    cost: null,
    state: order.state,
    output: "",
    marketplace_resource_uuid: resource.uuid,
    error_message: "",
    error_traceback: "",
    callback_url: null,
    consumer_reviewed_at: order.state === "pending-consumer" ? null : order.created,
    provider_reviewed_at: null,
    created_by_full_name: "Sam Staff",
    created_by_civil_number: null,
    customer_name: organisation.name,
    customer_uuid: organisation.uuid,
    customer_slug: organisation.slug,
    project_name: project.name,
    project_uuid: project.uuid,
    project_description: "",
    project_slug: project.slug,
    new_plan_name: "Default",
    new_plan_uuid: offering.planUuid,
    old_cost_estimate: null,
    new_cost_estimate: null,
    can_terminate: order.state.startsWith("pending"),
    fixed_price: 0,
    activation_price: 0,
    termination_comment: null,
    backend_id: "",
    url: [API_URL, "marketplace-orders/", order.uuid, "/"].join(""),
    provider_slug: offering.provider.slug,
    created_by_username: "staff",
    issue: null,
  }
}

/** The customer in an offering's customers list, with its projects that have resources there. */
export function customerRecord(organisation: Organisation, projects: Json[]): WaldurCustomer {
  return {
    url: `${API_URL}customers/${organisation.uuid}/`,
    uuid: organisation.uuid,
    created: "2024-01-08T09:20:28.118213Z",
    organization_group: null,
    display_name: organisation.name,
    projects,
    backend_id: "",
    image: null,
    blocked: false,
    archived: false,
    default_tax_percent: "0.00",
    accounting_start_date: "2024-01-08T09:20:28.118453Z",
    projects_count: projects.length,
    users_count: 0,
    sponsor_number: null,
    country_name: "Switzerland",
    name: organisation.name,
    slug: organisation.slug,
    native_name: "",
    abbreviation: "",
    contact_details: "",
    agreement_number: "",
    email: "",
    phone_number: "",
    access_subnets: "",
    registration_code: "",
    homepage: "",
    domain: "",
    vat_code: "",
    postal: "",
    address: "",
    bank_name: "",
    bank_account: "",
    latitude: null,
    longitude: null,
    country: "CH",
    payment_profiles: [],
    is_service_provider: false,
    call_managing_organization_uuid: null,
  }
}

/** A project as nested in a customer. */
export function nestedProject(project: Project, resources: number): JsonObject {
  return {
    url: project.url,
    uuid: project.uuid,
    name: project.name,
    image: null,
    resource_count: resources,
    end_date: null,
  }
}

const links = new WeakMap<Offering, { offering: string; plan: string }>()

/** Created once per offering, so that a hundred thousand rows share two strings. */
function linksOf(offering: Offering): { offering: string; plan: string } {
  const known = links.get(offering)
  if (known !== undefined) return known
  const url = `${API_URL}marketplace-public-offerings/${offering.uuid}/`
  const made = { offering: url, plan: `${url}plans/${offering.planUuid}/` }
  links.set(offering, made)
  return made
}

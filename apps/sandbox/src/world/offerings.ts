/** Offerings and their providers. */
import { uuidOf } from "./random.ts"
import type { WaldurOffering } from "./world.ts"

/** The prefix of links in built rows. The server does not exist. */
export const API_URL = "http://waldur.invalid/api/"

/** The provider of an offering: the offering's customer in Waldur. */
export interface Provider {
  slug: string
  /** Null: the rows do not have it. */
  name: string | null
  uuid: string
}

/** The offering's fields that its resources repeat. */
export interface Offering {
  slug: string
  name: string
  uuid: string
  planUuid: string
  type: string
  provider: Provider
}

/** The provider that runs the storage proxy. */
export const CSCS: Provider = { slug: "cscs", name: "CSCS", uuid: uuidOf("provider cscs") }
const ALPS: Provider = { slug: "alps-partner", name: "Alps Partner Platform", uuid: uuidOf("provider alps-partner") }

function offering(key: string, slug: string, name: string, type: string, provider: Provider): Offering {
  return { slug, name, uuid: uuidOf(`offering ${key}`), planUuid: uuidOf(`plan ${key}`), type, provider }
}

export type OfferingKey = "capstor" | "vast" | "iopsstor" | "iopsstorOfPartner" | "compute"

/** The three storage systems, one of which a second provider offers too, and an offering that is not storage. */
export const OFFERINGS: Record<OfferingKey, Offering> = {
  capstor: offering("capstor", "capstor", "Capstor", "Marketplace.Slurm", CSCS),
  vast: offering("vast", "vast", "VAST", "Marketplace.Slurm", CSCS),
  iopsstor: offering("iopsstor", "iopsstor", "IOPSStor", "Marketplace.Slurm", CSCS),
  // Offering slugs are not unique in Waldur: another provider may use the same one. Waldur carries out its orders itself.
  iopsstorOfPartner: offering("iopsstor of alps-partner", "iopsstor", "IOPSStor (partners)", "Marketplace.Basic", ALPS),
  compute: offering("daint", "daint-gpu", "Daint GPU hours", "Marketplace.Slurm", CSCS),
}

/** The offering as `/api/marketplace-provider-offerings/{uuid}/` returns it. */
export function offeringRecord(of: Offering, customers: number, resources: number): WaldurOffering {
  return {
    url: `${API_URL}marketplace-provider-offerings/${of.uuid}/`,
    uuid: of.uuid,
    created: "2024-01-08T09:14:28.003168Z",
    name: of.name,
    slug: of.slug,
    description: "",
    full_description: "",
    terms_of_service: "",
    terms_of_service_link: "",
    privacy_policy_link: "",
    endpoints: [],
    roles: [],
    customer: `${API_URL}customers/${of.provider.uuid}/`,
    customer_uuid: of.provider.uuid,
    customer_name: of.provider.name,
    project: null,
    category: `${API_URL}marketplace-categories/${uuidOf("category storage")}/`,
    category_uuid: uuidOf("category storage"),
    category_title: "Storage",
    rating: null,
    attributes: {},
    options: {
      order: ["storage_data_type", "permissions"],
      options: {
        permissions: { type: "string", label: "Permissions", default: "775", required: false },
        storage_data_type: {
          type: "select_string",
          label: "Storage data type",
          choices: ["store", "archive", "users", "scratch"],
          required: true,
        },
      },
    },
    resource_options: {
      order: ["soft_quota_space", "hard_quota_space", "soft_quota_inodes", "hard_quota_inodes", "permissions"],
      options: {
        permissions: { type: "string", label: "permissions" },
        hard_quota_space: { type: "integer", label: "hard_quota_space" },
        soft_quota_space: { type: "integer", label: "soft_quota_space" },
        hard_quota_inodes: { type: "integer", label: "hard_quota_inodes" },
        soft_quota_inodes: { type: "integer", label: "soft_quota_inodes" },
      },
    },
    components: [
      {
        uuid: uuidOf(`component ${of.uuid}`),
        billing_type: "limit",
        type: "storage",
        name: "Storage",
        description: "",
        measured_unit: "TB",
        limit_period: "month",
        limit_amount: null,
        article_code: "",
        max_value: null,
        min_value: null,
        max_available_limit: null,
        is_boolean: false,
        default_limit: null,
        factor: null,
        is_builtin: false,
      },
    ],
    plugin_options: {
      auto_approve_in_service_provider_projects: false,
      service_provider_can_create_offering_user: true,
    },
    // Must never be exposed: the tests search for these values.
    secret_options: {
      backend_url: `https://${of.slug}-admin.invalid/`,
      admin_password: `secret-admin-password-of-${of.slug}`,
      provisioner_token: `secret-provisioner-token-of-${of.slug}`,
    },
    service_attributes: {},
    state: "Active",
    native_name: "",
    native_description: "",
    vendor_details: "",
    getting_started: "",
    integration_guide: "",
    thumbnail: null,
    order_count: resources,
    plans: [
      {
        url: `${API_URL}marketplace-plans/${of.planUuid}/`,
        uuid: of.planUuid,
        name: "Default",
        description: "",
        article_code: "",
        max_amount: null,
        archived: false,
        is_active: true,
        unit_price: "0.0000000000",
        unit: "month",
        init_price: 0,
        switch_price: 0,
        backend_id: "",
        organization_groups: [],
        prices: { storage: 1 },
        future_prices: { storage: null },
        quotas: { storage: 0 },
        resources_count: resources,
        plan_type: "limit",
        minimal_price: 1,
      },
    ],
    screenshots: [],
    type: of.type,
    shared: true,
    billable: true,
    scope: null,
    files: [],
    paused_reason: "",
    datacite_doi: "",
    citation_count: -1,
    latitude: null,
    longitude: null,
    country: "",
    backend_id: "",
    organization_groups: [],
    image: null,
    total_customers: customers,
    total_cost: 0,
    total_cost_estimated: 0,
    backend_metadata: {},
    integration_status: [],
    google_calendar_is_public: null,
    google_calendar_link: null,
  }
}

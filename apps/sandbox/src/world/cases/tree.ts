/** Hand-written resources with odd tenants and customers. */
import { uuidOf } from "../random.ts"
import type { Organisation } from "../records.ts"
import { attribute, type CaseSpec, field, spec } from "./case-spec.ts"

const HES_SO: Organisation = { slug: "hes-so", name: "HES-SO", uuid: uuidOf("customer hes-so") }

function partner(label: string, about: string, of: "fhnw" | "supsi", slug: string, rest: Partial<CaseSpec>): CaseSpec {
  return spec(label, about, of, slug, "Partner platform", { offering: "iopsstorOfPartner", ...rest })
}

function malformed(label: string, about: string, slug: string, name: string, value: unknown): CaseSpec {
  return spec(label, about, "ethz", slug, "Legacy imports", { dataType: "archive", change: field(name, value) })
}

export const TREE = [
  spec(
    "unlisted-customer",
    "the customer is missing from the offering's customers list",
    HES_SO,
    "smart-grids",
    "Smart grids",
    {
      unlisted: true,
    },
  ),
  spec(
    "unlisted-customer-again",
    "a second resource of the customer that the list lacks",
    HES_SO,
    "heat-pumps",
    "Heat pumps",
    {
      unlisted: true,
    },
  ),
  spec("customer-other-name", "the row's customer_name is older than the customers list", "idiap", "voices", "Voices", {
    change: field("customer_name", "IDIAP (until 2019)"),
  }),
  spec("customer-name-null", "customer_name is null", "idiap", "accents", "Accents", {
    change: field("customer_name", null),
  }),

  partner("second-provider", "another provider, same offering slug", "fhnw", "windfarm", {}),
  partner("provider-name-null", "provider_name is null", "supsi", "swarm", {
    dataType: "archive",
    change: field("provider_name", null),
  }),
  partner("tenant-parent-first", "every path below the tenant lies in /alps/users", "fhnw", "ada", {
    dataType: "users",
    backendId: "/alps/users/fhnw/ada",
  }),
  partner("tenant-parent-second", "every path below the tenant lies in /alps/users", "supsi", "grace", {
    dataType: "users",
    backendId: "/alps/users/supsi/grace",
  }),
  partner("tenant-parent-root", "the directory above the parent is /", "fhnw", "sandpit", {
    dataType: "scratch",
    backendId: "/scratch1/sandpit",
  }),
  partner("tenant-with-bad-only", "the only resource below its tenant and customer is bad data", "supsi", "stage-in", {
    dataType: "staging",
    change: attribute("permissions", "rwx"),
  }),
  spec("customer-with-bad-only", "the only resource below its customer is bad data", "unifr", "foams", "Foams", {
    offering: "vast",
    dataType: "scratch",
    change: attribute("permissions", 770),
  }),

  malformed("slug-number", "the slug is a number", "import-01", "slug", 20240131),
  malformed("slug-missing", "no slug", "import-02", "slug", undefined),
  malformed("slug-null", "the slug is null", "import-03", "slug", null),
  malformed("uuid-missing", "no uuid", "import-04", "uuid", undefined),
  malformed("uuid-null", "the uuid is null", "import-05", "uuid", null),
  malformed("uuid-junk", "the uuid is none", "import-06", "uuid", "resource-42"),
  malformed(
    "uuid-dashed",
    "the uuid comes dashed and in capitals",
    "import-07",
    "uuid",
    "0F8FAD5B-D9CB-469F-A165-70867728950E",
  ),
  malformed("offering-uuid-missing", "no offering_uuid", "import-08", "offering_uuid", undefined),
  malformed("provider-slug-null", "provider_slug is null", "import-09", "provider_slug", null),
  malformed("customer-slug-missing", "no customer_slug", "import-10", "customer_slug", undefined),
  malformed("customer-uuid-null", "customer_uuid is null", "import-11", "customer_uuid", null),
  malformed("project-slug-null", "project_slug is null", "import-12", "project_slug", null),
  malformed("project-slug-number", "project_slug is a number", "import-13", "project_slug", 42),
  malformed("project-name-null", "project_name is null", "import-14", "project_name", null),
  malformed("state-number", "the state is a number", "import-15", "state", 2),
  malformed("created-null", "created is null", "import-16", "created", null),
  malformed("created-missing", "no created", "import-17", "created", undefined),

  spec(
    "foreign-offering",
    "belongs to an offering that is not storage; no filter by the three slugs shows it",
    "unibas",
    "qm-mm",
    "Enzyme design",
    {
      offering: "compute",
      change: (row) => {
        row.attributes = { name: "qm-mm" }
        row.limits = { gpu_hours: 20000 }
      },
    },
  ),
]

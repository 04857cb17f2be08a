/** Hand-written resources with odd or conflicting paths. */
import type { OrganisationKey } from "../organisations.ts"
import { type CaseSpec, field, spec } from "./case-spec.ts"

function projectSlug(label: string, about: string, slug: string): CaseSpec {
  return spec(label, about, "eawag", slug, "Water research", { offering: "vast" })
}

function backendId(label: string, about: string, slug: string, value: unknown): CaseSpec {
  return spec(label, about, "unil", slug, "Earth sciences", { change: field("backend_id", value) })
}

/** In a tree of its own (VAST, archive), where parents can take their path from their resources. */
function placed(label: string, about: string, of: OrganisationKey, slug: string, path: string): CaseSpec {
  return spec(label, about, of, slug, "Data releases", { offering: "vast", dataType: "archive", backendId: path })
}

function samePath(label: string, about: string, slug: string, state: string, rest: Partial<CaseSpec> = {}): CaseSpec {
  return spec(label, about, "idiap", slug, "Speech and vision", { offering: "iopsstor", state, ...rest })
}

export const PATHS = [
  projectSlug("project-slug-parent", 'the project slug is ".."', ".."),
  projectSlug("project-slug-climbing", "the project slug leaves the tree", "../../etc"),
  projectSlug("project-slug-slash", "the project slug has a slash", "rhine/basel"),
  projectSlug("project-slug-space", "the project slug has a space", "lake geneva"),
  projectSlug("project-slug-leading-dot", "the project slug begins with a dot", ".hidden-lake"),
  projectSlug("project-slug-leading-dash", "the project slug begins with a dash", "-rf"),
  projectSlug("project-slug-newline", "the project slug ends with a line break", "aare\n"),
  projectSlug("project-slug-umlaut", "the project slug has a non-ASCII letter", "zürichsee"),
  projectSlug("project-slug-empty", "the project slug is empty", ""),
  projectSlug("project-slug-256", "the project slug is one character too long", "l".repeat(256)),
  projectSlug("project-slug-255", "the project slug has the maximum length", "m".repeat(255)),
  projectSlug("project-slug-300", "the project slug is far too long", "n".repeat(300)),
  projectSlug("project-slug-uppercase", "the project slug has capitals", "PSI-Muon"),
  projectSlug("project-slug-inner-dots", "the project slug has dots inside", "v2.1_lake-x"),
  spec("customer-slug-climbing", "the customer slug leaves the tree", "eawag", "inn-delta", "Water research", {
    change: field("customer_slug", "../cscs"),
  }),

  backendId("backend-id-relative", "a relative backend_id, as Waldur mostly has them", "quake", "capstor/quake/031"),
  backendId(
    "backend-id-absolute",
    "an absolute backend_id among resources without one",
    "tsunami",
    "/capstor/store/legacy/tsunami",
  ),
  backendId("backend-id-parent", "an absolute backend_id with ..", "landslide", "/capstor/store/../../etc/landslide"),
  backendId("backend-id-one-component", "an absolute backend_id of one component", "moraine", "/moraine"),
  backendId("backend-id-root", 'backend_id is "/"', "karst", "/"),
  backendId("backend-id-double-slash", "an absolute backend_id with an empty component", "gneiss", "/capstor//gneiss"),
  backendId(
    "backend-id-trailing-slash",
    "an absolute backend_id that ends with a slash",
    "schist",
    "/capstor/store/schist/",
  ),
  backendId("backend-id-space", "an absolute backend_id with a space", "marble", "/capstor/store/white marble"),
  backendId("backend-id-hidden", "an absolute backend_id with a dot file", "granite", "/capstor/.snapshot/granite"),
  backendId("backend-id-number", "backend_id is a number", "basalt", 31),
  backendId(
    "backend-id-4096-bytes",
    "an absolute backend_id of the maximum length",
    "flysch",
    `/${"x".repeat(255)}`.repeat(16),
  ),
  backendId(
    "backend-id-4098-bytes",
    "an absolute backend_id that is too long",
    "nagelfluh",
    `${`/${"y".repeat(255)}`.repeat(16)}/y`,
  ),
  backendId(
    "backend-id-long-component",
    "an absolute backend_id with a component of 256 bytes",
    "tuff",
    `/capstor/${"z".repeat(256)}`,
  ),
  backendId("backend-id-outside", "an absolute backend_id in a system directory", "molasse", "/etc/cron.d/molasse"),

  placed(
    "shared-parent-first",
    "all of the customer's absolute backend_ids share a parent",
    "sib",
    "uniprot",
    "/vast/releases/sib/uniprot",
  ),
  placed(
    "shared-parent-second",
    "all of the customer's absolute backend_ids share a parent",
    "sib",
    "prosite",
    "/vast/releases/sib/prosite",
  ),
  placed(
    "mixed-parent-absolute",
    "absolute, but the customer's other resource is not",
    "unifr",
    "ramses",
    "/vast/releases/unifr/ramses",
  ),
  placed("mixed-parent-computed", "no backend_id, while the customer's other resource has one", "unifr", "athena", ""),
  placed(
    "different-parent-first",
    "absolute, in another parent than the customer's other one",
    "unisg",
    "swaps",
    "/vast/a/swaps",
  ),
  placed(
    "different-parent-second",
    "absolute, in another parent than the customer's other one",
    "unisg",
    "bonds",
    "/vast/b/bonds",
  ),

  samePath("live-same-path-first", "two live resources with one path", "diarization", "OK"),
  samePath("live-same-path-second", "two live resources with one path", "diarization", "OK"),
  samePath("live-beside-removing-same-path", "live, at the path of one that is Terminating", "lip-reading", "OK"),
  samePath("removing-beside-live-same-path", "Terminating, at the path of a live one", "lip-reading", "Terminating", {
    order: { type: "Terminate", state: "executing" },
  }),
  samePath("removed-beside-live-same-path", "Terminated, at the path of a live one", "gaze", "Terminated"),
  samePath("live-beside-removed-same-path", "live, at the path of one that is Terminated", "gaze", "OK"),
  samePath("removing-same-path-first", "two removed, with one path, and no live one", "handwriting", "Terminating", {
    order: { type: "Terminate", state: "executing" },
  }),
  samePath("removing-same-path-second", "two removed, with one path, and no live one", "handwriting", "Terminated"),
  samePath(
    "unapproved-terminate-same-path",
    "Terminating with an order that the customer has not approved, beside a live one",
    "prosody",
    "Terminating",
    {
      order: { type: "Terminate", state: "pending-consumer" },
    },
  ),
  samePath("live-beside-unapproved-terminate", "live, beside one whose Terminate is not approved", "prosody", "OK"),
  samePath("same-path-by-backend-id", "its backend_id is the computed path of another", "biometrics-new", "OK", {
    backendId: "/iopsstor/store/cscs/idiap/biometrics",
  }),
  samePath("same-path-computed", "its computed path is the backend_id of another", "biometrics", "OK"),
]

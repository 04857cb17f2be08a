/** Hand-written resources with values of a wrong type or form. */
import type { WaldurRecord } from "../world.ts"
import { attribute, type CaseSpec, field, spec } from "./case-spec.ts"

type Change = (row: WaldurRecord) => void

function dataType(label: string, about: string, slug: string, value: unknown): CaseSpec {
  return spec(label, about, "uzh", slug, "Galaxy formation", { change: attribute("storage_data_type", value) })
}

function permissions(label: string, about: string, slug: string, value: unknown, overriding?: unknown): CaseSpec {
  return spec(label, about, "unibas", slug, "Structural biology", {
    offering: "vast",
    ...(overriding === undefined ? {} : { options: { permissions: overriding as string } }),
    change: attribute("permissions", value),
  })
}

function row(label: string, about: string, slug: string, change: Change): CaseSpec {
  return spec(label, about, "wsl", slug, "Forest and snow", { change })
}

export const VALUES = [
  dataType("data-type-missing", "no storage_data_type", "gadget-a", undefined),
  dataType("data-type-null", "storage_data_type is null", "gadget-b", null),
  dataType("data-type-empty", 'storage_data_type is ""', "gadget-c", ""),
  dataType("data-type-blank", "storage_data_type is spaces only", "gadget-d", "   "),
  dataType("data-type-padded", 'storage_data_type is " Store "', "gadget-e", " Store "),
  dataType("data-type-uppercase", 'storage_data_type is "ARCHIVE"', "gadget-f", "ARCHIVE"),
  dataType("data-type-unknown", 'storage_data_type is "fast"', "gadget-g", "fast"),
  dataType("data-type-number", "storage_data_type is a number", "gadget-h", 42),
  dataType("data-type-true", "storage_data_type is true", "gadget-i", true),
  dataType("data-type-list", "storage_data_type is a list", "gadget-j", ["store"]),
  dataType("data-type-slash", "storage_data_type has a slash", "gadget-k", "store/2024"),
  dataType("data-type-dots", 'storage_data_type is ".."', "gadget-l", ".."),
  dataType("data-type-inner-space", "storage_data_type has a space inside", "gadget-m", "cold store"),

  permissions("permissions-missing", "no permissions", "spliceosome", undefined),
  permissions("permissions-null", "permissions are null", "ribosome", null),
  permissions("permissions-empty", 'permissions are ""', "proteasome", ""),
  permissions("permissions-three-digits", "permissions of three digits", "kinesin", "750"),
  permissions("permissions-four-digits", "permissions of four digits", "dynein", "2770"),
  permissions("bad-permissions", 'permissions are "rwx"', "myosin", "rwx"),
  permissions("permissions-number", "permissions are the number 775", "actin", 775),
  permissions("permissions-not-octal", "permissions with a digit above 7", "tubulin", "789"),
  permissions("permissions-two-digits", "permissions of two digits", "collagen", "77"),
  permissions("permissions-five-digits", "permissions of five digits", "keratin", "02775"),
  permissions("permissions-padded", "permissions with surrounding spaces", "elastin", " 775 "),
  permissions(
    "bad-permissions-overridden",
    "bad permissions, but options.permissions are valid",
    "titin",
    "rwx",
    "2750",
  ),
  permissions("permissions-overridden", "valid permissions, and other valid ones in options", "nebulin", "755", "2770"),
  permissions("permissions-bad-override", "valid permissions, junk in options.permissions", "desmin", "750", "rwxr-x"),
  permissions("permissions-empty-override", 'valid permissions, options.permissions is ""', "vimentin", "750", ""),
  permissions("permissions-number-override", "valid permissions, options.permissions is a number", "lamin", "750", 770),
  permissions("permissions-null-override", "valid permissions, options.permissions is null", "plectin", "750", null),

  row("attributes-null", "attributes is null", "avalanche", field("attributes", null)),
  row("attributes-empty", "attributes is {}", "larch", field("attributes", {})),
  row("attributes-missing", "no attributes key", "spruce", field("attributes", undefined)),
  row("attributes-text", "attributes is a string", "beech", field("attributes", "store")),
  row("options-null", "options is null", "fir", field("options", null)),
  row("options-empty", "options is {}", "arolla", field("options", {})),
  row("options-missing", "no options key", "birch", field("options", undefined)),
  row("options-list", "options is a list", "rowan", field("options", [])),
  row("limits-null", "limits is null", "permafrost", field("limits", null)),
  row("limits-empty", "limits is {}", "rockfall", field("limits", {})),
  row("limits-missing", "no limits key", "debris", field("limits", undefined)),
  row("limits-text", "limits is a string", "drought", field("limits", "50")),
  row("backend-metadata-null", "backend_metadata is null", "wildfire", field("backend_metadata", null)),
  row("backend-metadata-missing", "no backend_metadata key", "windthrow", field("backend_metadata", undefined)),
  row("backend-metadata-text", "backend_metadata is a string", "bark-beetle", field("backend_metadata", "gid=30000")),
  row("backend-id-null", "backend_id is null", "phenology", field("backend_id", null)),
  row("backend-id-empty", 'backend_id is ""', "tree-rings", field("backend_id", "")),
  row("backend-id-missing", "no backend_id key", "lysimeter", field("backend_id", undefined)),
]

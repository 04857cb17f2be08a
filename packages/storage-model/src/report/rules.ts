/**
 * The catalogue of all rules, with a sentence for each. A ruling names its rule and the facts of the case; `explain`
 * fills the facts into the braces, and docs/rules.md is generated from these sentences.
 */

/** The sentence of each rule; a name in braces is replaced by a fact of the ruling. */
export const rules = {
  "storage-system/offering-slug": "storage_systems contains the offering {slug}",
  "storage-system/offering-uuid": "storage_systems contains this offering, whose slug is {slug}",
  "state/as-given": "as in Waldur",
  "state/before-provider":
    "{state} in Waldur, but its order is {order} and has not reached the provider, so it counts as OK",
  "data-type/as-given": "as in Waldur",
  "data-type/normalized": "trimmed and lowercased",
  "data-type/default": "missing, null or empty; the default is store",
  "path/backend-id": "an absolute path of two or more components; takes precedence over the names",
  "path/names": "built from the names, since backend_id is not an absolute path of two or more components",
  "path/shared-by-all-below": "the paths of all resources below come from backend_id, and all lie in it",
  "path/names-of-parent": "built from the names: {why}",
  "path/none-for-parent":
    "no entry for the {level}: {why}; and {named}, built from the names, cannot be served: {forbidden}",
  "permission/option": "a valid option, which overrides the attribute",
  "permission/attribute": "as in Waldur; not overridden by an option",
  "permission/default": "missing, null or empty; the default is 775",
  "permission/parent": "always the mode of a tenant's or customer's directory",
  "removal/gone": "terminated in Waldur, and nothing at or below its mount point is or may be live",
  "removal/ordered":
    "requested by a Terminate order at the provider, and nothing at or below its mount point is or may be live",
  "target/by-data-type": "{dataType} belongs to a {target}",
  "target/unknown-data-type": "an unknown data type is served as a project's",
  "status/by-state": "the status of a resource in state {state} is {status}",
  "status/unknown-state": "the status for an unknown state is pending",
  "status/parent": "the status of a tenant or customer is always pending",
  "target-item/waldur": "a complete item in Waldur is served unchanged, except that its UUID is dashed",
  "target-item/project": "generated: a UUID v5 of the resource's slug, with the project's slug and name",
  "target-item/user": "generated: a UUID v5 and a mail address, both from the resource's slug",
  "gid/looked-up": "of the project {project}, looked up by project_slug",
  "id/waldur-item": "from the item in Waldur; the HPC User API is not queried",
  "uid/mock": "a mock UID from 20000 to 29999, derived from the resource's slug; no API provides a user's UID",
  "quota/limit": "the limit in TB; not overridden by an option",
  "quota/limit-missing": "the limit is missing or null; the default is 0 TB",
  "quota/limit-unusable": "the limit is not a valid number of TB; treated as 0",
  "quota/inodes-by-limit":
    "the limit in TB (space options do not count) times backend_settings.inode_base_multiplier ({multiplier}) times backend_settings.{setting} ({coefficient})",
  "quota/option": "a valid option, which overrides the limit",
  "quota/attribute": "an attribute from the order form, which overrides the limit",
  "quota/soft-above-hard": "{by}; above the hard quota, so lowered to it",
  "quota/none": "no quotas are known, since neither space quota is above 0: {by}",
  "callback-urls/no-order": "no order is in progress, and the resource is {state}",
  "callback-urls/no-url": "the order has no URL that may be served, and the resource is {state}",
  "callback-urls/order": "the order is {order}, and the resource is {state}",
  "tenant/provider-name": "from the first resource that names its provider",
  "tenant/provider-slug": "no resource names its provider",
  "customer/listed-by-uuid": "found by customer_uuid",
  "customer/listed-by-slug": "found by customer_slug, since no customer_uuid identifies it",
  "customer/list-refused":
    "the token may not read the offering's list of customers; the name is the resource's customer_name",
  "customer/list-unread":
    "the offering's list of customers could not be read; the name is the resource's customer_name",
  "customer/unlisted": "not in the offering's list of customers; the name is the resource's customer_name",
} as const satisfies Readonly<Record<string, string>>

/** The name of a rule. */
export type RuleId = keyof typeof rules

/** A rule, applied to the facts of one case. */
export interface Reason {
  readonly rule: RuleId
  readonly facts: Facts | undefined
}

/** The facts that a rule's sentence names in braces. */
export type Facts = Readonly<Record<string, string | number | Reason>>

/** The rule's sentence with its facts filled in. */
export const sentenceOf = ({ rule, facts }: Reason): string =>
  rules[rule].replace(/\{(\w+)\}/g, (_, name: string) => {
    const fact = facts?.[name] ?? ""
    return typeof fact === "object" ? sentenceOf(fact) : String(fact)
  })

/**
 * The catalogue of all rules: for each the sentence that says what it decides. A ruling names its rule and the facts in
 * braces; `explain` puts the two together, and docs/rules.md lists the sentences as they stand here.
 */

/** The sentence of each rule; a name in braces stands for a fact of the ruling. */
export const rules = {
  "storage-system/offering-slug": "storage_systems names {slug} as its offering",
  "storage-system/offering-uuid": "the offering of storage_systems with the slug {slug}",
  "state/as-given": "as Waldur has it",
  "state/before-provider":
    "{state} in Waldur, but its order is {order} and has not reached the provider: so it counts as OK",
  "data-type/as-given": "as Waldur has it",
  "data-type/normalized": "trimmed and in lower case",
  "data-type/default": "missing, null or empty: store",
  "path/backend-id": "an absolute path of two or more components: it goes before the names",
  "path/names": "made of the names, for backend_id is no absolute path of two or more components",
  "path/shared-by-all-below": "every resource below has such a path, and all lie in it",
  "path/names-of-parent": "made of the names, for {why}",
  "path/none-for-parent": "no entry for the {level}: {why}; nor does {named}, made of the names: {forbidden}",
  "permission/option": "a valid option goes before the attribute",
  "permission/attribute": "as Waldur has it: no valid option goes before it",
  "permission/default": "missing, null or empty: 775",
  "permission/parent": "a parent's directory always has these",
  "removal/gone": "it is gone in Waldur, and nothing at its mount point or below it is or may be live",
  "removal/ordered":
    "its order at the provider asks for it, and nothing at its mount point or below it is or may be live",
  "target/by-data-type": "{dataType} belongs to a {target}",
  "target/unknown-data-type": "a type that is not known is served as a project's",
  "status/by-state": "a resource that is {state} is {status}",
  "status/unknown-state": "a state that is not one of Waldur's is pending",
  "status/parent": "a parent is always pending",
  "target-item/waldur": "a whole item of Waldur's is served as it stands, its UUID dashed",
  "target-item/project": "made: a UUID v5 of the resource's slug, with the project's slug and name",
  "target-item/user": "made: a UUID v5 of the resource's slug, and an address of it",
  "gid/looked-up": "of the project {project}, asked for by project_slug",
  "id/waldur-item": "of Waldur's own item: the HPC User API is not asked",
  "uid/made-up": "made up of the resource's slug, 20000 to 29999: no API gives a user's UID",
  "quota/limit": "the limit in TB: no valid option goes before it",
  "quota/limit-missing": "the limit is missing or null: 0 TB",
  "quota/limit-unusable": "the limit is not a number of TB that can be: taken as 0",
  "quota/inodes-by-limit":
    "the limit in TB, whatever space an option gives, times backend_settings.inode_base_multiplier ({multiplier}) and backend_settings.{setting} ({coefficient})",
  "quota/option": "a valid option goes before the limit",
  "quota/attribute": "an attribute of the order form goes before the limit",
  "quota/soft-above-hard": "{by}; above the hard one, so lowered to it",
  "quota/none": "neither space quota is above 0, so none is known: {by}",
  "callback-urls/no-order": "no order is in progress, the resource {state}",
  "callback-urls/no-url": "the order has no URL that is served, the resource {state}",
  "callback-urls/order": "the order is {order}, the resource {state}",
  "tenant/provider-name": "of the first resource that names its provider",
  "tenant/provider-slug": "none has a name",
  "customer/listed-by-uuid": "found by customer_uuid",
  "customer/listed-by-slug": "found by customer_slug, for no resource gives a UUID",
  "customer/list-refused": "the token may not read the offering's list of customers; named as the resource names it",
  "customer/list-unread": "the offering's list of customers could not be read; named as the resource names it",
  "customer/unlisted": "not in the offering's list of customers; named as the resource names it",
} as const satisfies Readonly<Record<string, string>>

/** The name of a rule. */
export type RuleId = keyof typeof rules

/** A rule with the facts of one case. */
export interface Reason {
  readonly rule: RuleId
  readonly facts: Facts | undefined
}

/** What a rule's sentence names in braces. */
export type Facts = Readonly<Record<string, string | number | Reason>>

/** A rule's sentence about one case. */
export const sentenceOf = ({ rule, facts }: Reason): string =>
  rules[rule].replace(/\{(\w+)\}/g, (_, name: string) => {
    const fact = facts?.[name] ?? ""
    return typeof fact === "object" ? sentenceOf(fact) : String(fact)
  })

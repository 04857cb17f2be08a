/**
 * The tree that the contract wants for rows of Waldur, written from its text and not from the proxy's code: a difference
 * to a peer counts as explained only where our side of it is what stands here.
 */
import { createHash } from "node:crypto"
import { dirname } from "node:path/posix"
import type { World } from "@cscs/sandbox"
import { expectedQuotas, hasEnded } from "./expected-quotas.ts"
import { at, isObject, type JsonObject, textAt } from "./json-values.ts"
import { dashed, keyOf } from "./listings.ts"
import { offeringSlugs } from "./services.ts"

/** Why the contract leaves a resource out. */
export type LeftOut =
  | "creation-not-approved"
  | "field-is-no-text"
  | "bad-path-component"
  | "path-too-long"
  | "bad-permissions"
  | "no-usable-gid"
  | "removal-of-live-path"
  | "removal-without-order"

export interface ExpectedEntry {
  readonly key: string
  readonly entry: JsonObject
  /** The rows of Waldur that it stands for: one, or all that lie below a tenant or customer. */
  readonly rows: ReadonlyArray<JsonObject>
}

export interface Expectation {
  /** In the order of the list. */
  readonly entries: ReadonlyMap<string, ExpectedEntry>
  /** By dashed uuid, or by what stands in its place. */
  readonly leftOut: ReadonlyMap<string, LeftOut>
}

export const uuidOfName = (scope: string, name: string): string => {
  const bytes = createHash("sha1")
    .update(Buffer.from("6ba7b8129dad11d180b400c04fd430c8", "hex"))
    .update(`${scope}:${name}`)
    .digest()
    .subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return dashed(bytes.toString("hex")) ?? ""
}

/** The made-up UID of the user that a resource of this slug belongs to. */
export const madeUpUid = (slug: string): number =>
  20_000 + (createHash("sha256").update(slug).digest().readUInt32BE(0) % 10_000)

const component = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/
export const isComponent = (text: unknown): boolean => typeof text === "string" && component.test(text)

/** Normalized; `undefined` where it is no text. */
export const dataTypeOf = (row: JsonObject): string | undefined => {
  const type = at(row.attributes, "storage_data_type") ?? ""
  return typeof type === "string" ? type.trim().toLowerCase() || "store" : undefined
}

/** `backend_id` where it is an absolute path of two or more good components, however long. */
export const backendPath = (row: JsonObject): string | undefined => {
  const id = row.backend_id
  if (typeof id !== "string" || !id.startsWith("/")) return undefined
  const components = id.slice(1).split("/")
  return components.length >= 2 && components.every(isComponent) ? id : undefined
}

export const computedPath = (row: JsonObject, dataType = dataTypeOf(row)): string =>
  ["", row.offering_slug, dataType, row.provider_slug, row.customer_slug, row.project_slug].join("/")

const statuses: Readonly<Record<string, string>> = {
  Creating: "pending",
  OK: "active",
  Erred: "error",
  Updating: "updating",
  Terminating: "removing",
  Terminated: "removed",
}

/** Whether the order in progress has not reached the provider yet. */
export const waitsForConsumer = (row: JsonObject): boolean =>
  ["pending-consumer", "pending-project", "pending-start-date"].includes(String(at(row.order_in_progress, "state")))

/** Waldur's state as the provider sees it. */
const stateOf = (row: JsonObject): string =>
  waitsForConsumer(row) && (row.state === "Updating" || row.state === "Terminating") ? "OK" : String(row.state)

const isGid = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1000

/** The project's GID from the HPC User API: one good value per name. */
export const gidOf = (row: JsonObject, world: World): number | undefined => {
  const sent = world.gids.get(String(row.project_slug))
  const values = new Set(Array.isArray(sent) ? sent : [sent])
  const [gid] = values
  return values.size === 1 && isGid(gid) ? gid : undefined
}

export const targetTypeOf = (row: JsonObject): "project" | "user" =>
  ["users", "scratch"].includes(dataTypeOf(row) ?? "") ? "user" : "project"

/** The item in `backend_metadata` for the resource's type of target, good or bad. */
export const backendItem = (row: JsonObject): unknown => at(row.backend_metadata, `${targetTypeOf(row)}_item`)

const usableItem = (row: JsonObject): JsonObject | undefined => {
  const item = backendItem(row)
  if (!isObject(item) || dashed(item.itemId) === undefined) return undefined
  const gids = targetTypeOf(row) === "user" ? [item.unixUid, at(item, "primaryProject.unixGid")] : [at(item, "unixGid")]
  // Everywhere means everywhere: the first line of section 1.
  return gids.every(isGid) ? { ...item, itemId: dashed(item.itemId) } : undefined
}

const targetOf = (row: JsonObject, world: World): JsonObject | LeftOut => {
  const targetType = targetTypeOf(row)
  const item = usableItem(row)
  if (item !== undefined) return { targetType, targetItem: item }
  const unixGid = gidOf(row, world)
  if (unixGid === undefined) return "no-usable-gid"
  const status = statuses[stateOf(row)] ?? "pending"
  const active = status === "active"
  const itemId = uuidOfName(targetType, String(row.slug))
  if (targetType === "project") {
    if (typeof row.project_name !== "string") return "field-is-no-text"
    return {
      targetType,
      targetItem: { itemId, key: row.project_slug, name: row.project_name, status, unixGid, active },
    }
  }
  const email = `user-${row.slug}@example.com`
  const primaryProject = { name: row.project_slug, unixGid, active }
  return {
    targetType,
    targetItem: { itemId, status, email, unixUid: madeUpUid(String(row.slug)), primaryProject, active },
  }
}

const permissionsOf = (row: JsonObject): string | undefined => {
  const octal = (value: unknown) => (typeof value === "string" && /^[0-7]{3,4}$/.test(value) ? value : undefined)
  const attribute = at(row.attributes, "permissions")
  return octal(at(row.options, "permissions")) ?? octal((attribute ?? "") === "" ? "775" : attribute)
}

/** `set_state_ok` and its like of the resource. */
export const resourceAction = (row: JsonObject, action: string): string =>
  `${textAt(row.order_in_progress, "url")?.split("/marketplace-orders/")[0]}/marketplace-provider-resources/${dashed(row.uuid)}/${action}/`

const callbacksOf = (row: JsonObject, api: string): JsonObject => {
  const url = hasEnded(row.order_in_progress) ? "" : (textAt(row.order_in_progress, "url") ?? "")
  if (!/^https?:/.test(url)) {
    if (stateOf(row) !== "Erred") return {}
    const resource = `${api}marketplace-provider-resources/${dashed(row.uuid)}`
    return { set_backend_id_url: `${resource}/set_backend_id/`, set_state_ok_url: `${resource}/set_state_ok/` }
  }
  const state = at(row.order_in_progress, "state")
  const ofOrder = (action: string) => `${url.replace(/\/$/, "")}/${action}/`
  const pending = state === "pending-provider"
  const executing = state === "executing"
  // What stands before /marketplace-orders/ is the API; where that is not there, the resource has no address.
  const known = url.includes("/marketplace-orders/")
  return {
    ...(pending && {
      approve_by_provider_url: ofOrder("approve_by_provider"),
      reject_by_provider_url: ofOrder("reject_by_provider"),
    }),
    ...((pending || executing) && { set_state_done_url: ofOrder("set_state_done") }),
    ...(executing && { set_state_erred_url: ofOrder("set_state_erred") }),
    ...(known && pending && { update_resource_options_url: resourceAction(row, "update_options_direct") }),
    ...(known && { set_backend_id_url: resourceAction(row, "set_backend_id") }),
    ...(known &&
      ["Erred", "Creating", "Updating", "Terminating"].includes(stateOf(row)) && {
        set_state_ok_url: resourceAction(row, "set_state_ok"),
      }),
  }
}

const storageName = (scope: string, name: string) => ({
  itemId: uuidOfName(scope, name),
  key: name.toLowerCase(),
  name: name.toUpperCase(),
  active: true,
})

interface Placed {
  readonly row: JsonObject
  readonly dataType: string
  readonly path: string
  readonly fromWaldur: boolean
}

/** The reason why not even the tenant of a resource is known, or its place. */
const place = (row: JsonObject): LeftOut | Omit<Placed, "path" | "fromWaldur"> => {
  if (waitsForConsumer(row) && row.state === "Creating") return "creation-not-approved"
  const texts = [row.slug, row.offering_slug, row.provider_slug, row.customer_slug, row.project_slug]
  if (dashed(row.uuid) === undefined || dashed(row.offering_uuid) === undefined) return "field-is-no-text"
  if (texts.some((text) => typeof text !== "string")) return "field-is-no-text"
  const dataType = dataTypeOf(row)
  if (dataType === undefined) return "field-is-no-text"
  if (![row.offering_slug, dataType, row.provider_slug].every(isComponent)) return "bad-path-component"
  return { row, dataType }
}

const isGoing = (row: JsonObject) => ["Terminating", "Terminated"].includes(stateOf(row))

/** Whether it is being removed though no order at the provider asks for that: then its data counts as live. */
const lacksOrder = (row: JsonObject): boolean => {
  const order = row.order_in_progress
  const isAsked =
    at(order, "type") === "Terminate" && ["pending-provider", "executing"].includes(String(at(order, "state")))
  return stateOf(row) === "Terminating" && !isAsked
}

/** The tree for these rows of the world's, links in them as the servers send them. */
export const expectationOf = (rows: ReadonlyArray<JsonObject>, world: World): Expectation => {
  const leftOut = new Map<string, LeftOut>()
  const placed: Array<Placed> = []
  for (const row of rows) {
    // Nobody asks Waldur for these.
    if (!offeringSlugs.includes(String(row.offering_slug))) continue
    const found = place(row)
    if (typeof found === "string") leftOut.set(dashed(row.uuid) ?? String(row.uuid), found)
    else {
      const own = backendPath(row)
      placed.push({ ...found, path: own ?? computedPath(row), fromWaldur: own !== undefined })
    }
  }
  const order = ({ row, dataType }: Omit<Placed, "path" | "fromWaldur">) => [
    String(offeringSlugs.indexOf(String(row.offering_slug))),
    dataType,
    String(row.provider_slug),
    String(row.customer_slug),
    // What has no date comes last.
    typeof row.created === "string" ? row.created : "9",
    dashed(row.uuid) ?? "",
  ]
  placed.sort((a, b) => {
    const other = order(b)
    const index = order(a).findIndex((text, position) => text !== other[position])
    return index < 0 ? 0 : (order(a)[index] ?? "") < (other[index] ?? "") ? -1 : 1
  })

  const entries = new Map<string, ExpectedEntry>()
  const add = (entry: JsonObject, below: ReadonlyArray<JsonObject>) =>
    entries.set(keyOf(entry), { key: keyOf(entry), entry, rows: below })

  for (const tenant of groups(placed, ({ row, dataType }) => `${row.offering_slug} ${dataType} ${row.provider_slug}`)) {
    const [first] = tenant
    if (first === undefined) continue
    const { row, dataType } = first
    const names = {
      storageSystem: storageName("storage_system", String(row.offering_slug)),
      storageFileSystem: storageName("storage_file_system", "lustre"),
      storageDataType: { ...storageName("storage_data_type", dataType), path: dataType },
    }
    const parent = (
      targetType: string,
      targetItem: JsonObject,
      path: string,
      parentItemId: unknown,
      below: ReadonlyArray<Placed>,
    ) =>
      add(
        {
          itemId: targetItem.itemId,
          status: "pending",
          mountPoint: { default: path },
          permission: { permissionType: "octal", value: "775" },
          quotas: null,
          target: { targetType, targetItem },
          ...names,
          parentItemId,
        },
        below.map((one) => one.row),
      )
    const slug = String(row.provider_slug)
    const tenantId = dashed(row.offering_uuid)
    const tenantPath = `/${row.offering_slug}/${dataType}/${slug}`
    const name = tenant.map((one) => one.row.provider_name).find((text) => typeof text === "string" && text !== "")
    const tenantItem = { itemId: tenantId, key: slug, name: name ?? slug.toUpperCase() }
    parent("tenant", tenantItem, sharedParent(tenant, 2) ?? tenantPath, null, tenant)

    for (const members of groups(tenant, (one) => String(one.row.customer_slug))) {
      const customer = members[0]?.row
      if (customer === undefined) continue
      if (!isComponent(customer.customer_slug)) {
        for (const one of members) leftOut.set(dashed(one.row.uuid) ?? "", "bad-path-component")
        continue
      }
      const itemId = dashed(customer.customer_uuid)
      const listed = world.customersByOffering
        .get(String(customer.offering_uuid))
        ?.find((one) => dashed(one.uuid) === itemId)
      const customerItem = { itemId, key: customer.customer_slug, name: listed?.name ?? customer.customer_name }
      const customerPath = sharedParent(members, 1) ?? `${tenantPath}/${customer.customer_slug}`
      parent("customer", customerItem, customerPath, tenantId, members)

      for (const one of members) {
        const target = targetOf(one.row, world)
        const value = permissionsOf(one.row)
        const reason = reasonAgainst(one, placed, value) ?? (typeof target === "string" ? target : undefined)
        if (reason !== undefined) {
          leftOut.set(dashed(one.row.uuid) ?? "", reason)
          continue
        }
        const oldQuotas = expectedQuotas(one.row, "oldQuotas")
        const newQuotas = expectedQuotas(one.row, "newQuotas")
        add(
          {
            itemId: dashed(one.row.uuid),
            status: statuses[stateOf(one.row)] ?? "pending",
            mountPoint: { default: one.path },
            permission: { permissionType: "octal", value },
            quotas: expectedQuotas(one.row, "quotas"),
            ...(oldQuotas !== undefined && { oldQuotas }),
            ...(newQuotas !== undefined && { newQuotas }),
            target,
            ...names,
            parentItemId: itemId,
            ...callbacksOf(one.row, world.apiUrl),
          },
          [one.row],
        )
      }
    }
  }
  return { entries, leftOut }
}

const reasonAgainst = (one: Placed, all: ReadonlyArray<Placed>, permissions: unknown): LeftOut | undefined => {
  if (!one.fromWaldur && !isComponent(one.row.project_slug)) return "bad-path-component"
  if (Buffer.byteLength(one.path) > 4096) return "path-too-long"
  if (permissions === undefined) return "bad-permissions"
  if (lacksOrder(one.row)) return "removal-without-order"
  const takenByLive = all.some(
    (other) => other !== one && other.path === one.path && (!isGoing(other.row) || lacksOrder(other.row)),
  )
  return isGoing(one.row) && takenByLive ? "removal-of-live-path" : undefined
}

/** The directory so many levels up that all paths share, where Waldur gave every path. */
const sharedParent = (members: ReadonlyArray<Placed>, levels: 1 | 2): string | undefined => {
  const above = members.map(({ path }) => (levels === 1 ? dirname(path) : dirname(dirname(path))))
  const [first] = above
  const all = members.every(({ fromWaldur }) => fromWaldur) && above.every((directory) => directory === first)
  return all && first !== "/" ? first : undefined
}

const groups = <A>(items: ReadonlyArray<A>, by: (item: A) => string): ReadonlyArray<ReadonlyArray<A>> => [
  ...Map.groupBy(items, by).values(),
]

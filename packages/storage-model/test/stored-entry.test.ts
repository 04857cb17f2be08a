import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { buildHierarchy, isProblem, type ModelSettings, storedEntryChecker } from "../src/index.ts"
import { anOrder, aResource, type Row } from "./a-resource.ts"
import { resourcesOf, settingsWith, treeOf } from "./a-tree.ts"
import { sandboxInput } from "./sandbox-world.ts"

// biome-ignore lint/suspicious/noExplicitAny: the tests change entries to any shape.
type Any = any

const waldurApiUrl = "http://waldur.invalid/api/"
const orderUrl = "http://waldur.invalid/api/marketplace-orders/1f1e2669fbc50bc8c11fe312cab9dd31/"
const settings = settingsWith({ waldurApiUrl })
const check = (entry: unknown, more: Partial<ModelSettings> = {}, slug = "capstor") =>
  storedEntryChecker({ ...settings, ...more })(typeof entry === "string" ? entry : JSON.stringify(entry), slug)
const isBelieved = (entry: unknown, more: Partial<ModelSettings> = {}, slug = "capstor") =>
  !isProblem(check(entry, more, slug))

const entryOf = (row: Row): Any => {
  const [entry] = resourcesOf(treeOf([aResource(row)], { settings: { waldurApiUrl } }))
  return structuredClone(entry)
}
const store = entryOf({})
const ordered = entryOf({ state: "Updating", order_in_progress: anOrder({ state: "executing", url: orderUrl }) })
const users = entryOf({ attributes: { permissions: "2770", storage_data_type: "users" } })
const ownItem = entryOf({
  backend_metadata: { project_item: { itemId: "44d1e266-9fbc-50bc-8c11-fe312cab9dd3", unixGid: 31_500, more: [1] } },
})
const [tenant, customer] = treeOf([aResource()]).entries.map(({ entry }) => entry) as Any

/** A copy of an entry with another value at a path; `undefined` removes the field. */
const changed = (entry: unknown, path: string, value: unknown): Any => {
  const copy = structuredClone(entry) as Any
  const keys = path.split(".")
  const last = keys.pop() ?? ""
  const holder = keys.reduce((inner, key) => inner[key], copy)
  if (value === undefined) delete holder[last]
  else holder[last] = value
  return copy
}

const isInSystemDirectory = ({ mountPoint }: Any): boolean =>
  /^\/(bin|boot|dev|etc|lib[^/]*|proc|root|run|sbin|sys|usr|var)(\/|$)/.test(mountPoint.default)

describe("a stored entry", () => {
  test("is accepted as the model built it, for the whole sandbox world", () => {
    const rules = storedEntryChecker(settings)
    const entries = buildHierarchy({ ...sandboxInput, settings }).entries.filter(
      ({ entry }) => !isInSystemDirectory(entry),
    )
    expect(entries.length).toBeGreaterThan(50)
    for (const { entry, offeringSlug } of entries) {
      const { itemId, status, target } = entry
      expect(rules(JSON.stringify(entry), offeringSlug)).toEqual({
        itemId,
        status,
        dataType: entry.storageDataType.key,
        isResource: target.targetType === "project" || target.targetType === "user",
      })
    }
  })

  test("is accepted unchanged, of each kind", () => {
    for (const entry of [store, ordered, users, ownItem, tenant, customer])
      expect(check(entry)).not.toHaveProperty("reason")
    expect(Object.keys(ordered).filter((key) => key.endsWith("_url")).length).toBe(4)
  })

  const deep = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels))
  test.each<[string, unknown, string, unknown]>([
    ["in /etc", store, "mountPoint.default", "/etc"],
    ["below /etc", store, "mountPoint.default", "/etc/cron.d"],
    ["in /lib64", store, "mountPoint.default", "/lib64/modules"],
    ["at /", store, "mountPoint.default", "/"],
    ["at a relative path", store, "mountPoint.default", "capstor/store"],
    ["at a path with ..", store, "mountPoint.default", "/capstor/../etc"],
    ["at a path with an empty component", store, "mountPoint.default", "/capstor//store"],
    ["at a path with a closing slash", store, "mountPoint.default", "/capstor/store/"],
    ["at a path with a newline", store, "mountPoint.default", "/capstor/store\n"],
    ["at a hidden directory", store, "mountPoint.default", "/capstor/.ssh"],
    ["at a path above PATH_MAX", store, "mountPoint.default", "/abc".repeat(1025)],
    ["at a path that is a list", store, "mountPoint.default", ["/capstor/store"]],
    ["with a second mount point", store, "mountPoint.other", "/capstor/store"],
    ["of root's group", store, "target.targetItem.unixGid", 0],
    ["of a system group", store, "target.targetItem.unixGid", 999],
    ["of the group 65534", store, "target.targetItem.unixGid", 65_534],
    ["of the group that is not a group", store, "target.targetItem.unixGid", 65_535],
    ["of a group above 2^31-1", store, "target.targetItem.unixGid", 2 ** 31],
    ["of a group that is a text", store, "target.targetItem.unixGid", "31001"],
    ["of half a group", store, "target.targetItem.unixGid", 31_001.5],
    ["without a group", store, "target.targetItem.unixGid", undefined],
    ["of root's group, in Waldur's own item", ownItem, "target.targetItem.unixGid", 0],
    ["of root as a user", users, "target.targetItem.unixUid", 0],
    ["of root's group as a user's", users, "target.targetItem.primaryProject.unixGid", 0],
    ["whose item nests 21 deep", ownItem, "target.targetItem.more", deep(20)],
    ["whose item is 300 kB", ownItem, "target.targetItem.more", "x".repeat(300_000)],
    ["whose item is a list", store, "target.targetItem", [31_001]],
    ["with a target type in a list", store, "target.targetType", ["project"]],
    ["with a status in a list", store, "status", ["active"]],
    ["with a data type in a list", store, "storageDataType.key", ["store"]],
    ["with permissions in a list", store, "permission.value", ["775"]],
    ["of another kind of target", store, "target.targetType", "group"],
    ["that a tenant's target makes a tenant", store, "target.targetType", "tenant"],
    ["with a setuid bit of five digits", store, "permission.value", "02770"],
    ["with permissions that are a number", store, "permission.value", 2770],
    ["with permissions that are not octal", store, "permission.value", "778"],
    ["with permissions of another type", store, "permission.permissionType", "acl"],
    ["with a status that there is not", store, "status", "gone"],
    ["with a status that is an object", store, "status", { toString: 1 }],
    ["with a negative quota", store, "quotas.0.quota", -1],
    ["with a quota that is null", store, "quotas.1.quota", null],
    ["with a quota that is a text", store, "quotas.2.quota", "1"],
    ["with half an inode", store, "quotas.3.quota", 0.5],
    ["with quotas of another kind", store, "quotas.0.type", "inodes"],
    ["with three quotas", store, "quotas", store.quotas.slice(1)],
    ["without quotas", store, "quotas", undefined],
    ["with old quotas that are none", store, "oldQuotas", [null]],
    ["with a UUID in capitals", store, "itemId", store.itemId.toUpperCase()],
    ["with a UUID without dashes", store, "itemId", store.itemId.replaceAll("-", "")],
    ["with a target that has no UUID", store, "target.targetItem.itemId", "x"],
    ["without a parent", store, "parentItemId", null],
    ["with another system's name", store, "storageSystem.key", "vast"],
    ["with another system's id", store, "storageSystem.itemId", store.itemId],
    ["with another file system", store, "storageFileSystem.key", "ext4"],
    ["with a data type in capitals", store, "storageDataType.key", "STORE"],
    ["with a data type that is a path", store, "storageDataType.key", "../x"],
    ["with another path of its data type", store, "storageDataType.path", "etc"],
    ["with a field more", store, "owner", "root"],
    ["of a tenant with quotas", tenant, "quotas", store.quotas],
    ["of a tenant that is being removed", tenant, "status", "removing"],
    ["of a tenant with other permissions", tenant, "permission.value", "777"],
    ["of a tenant below another", tenant, "parentItemId", tenant.itemId],
    ["of a tenant with another id in its target", tenant, "target.targetItem.itemId", store.itemId],
    ["of a customer whose key is a path", customer, "target.targetItem.key", "../x"],
    ["of a customer with a field more", customer, "target.targetItem.unixGid", 0],
    ["of a customer with a callback URL", customer, "set_state_done_url", ordered.set_state_done_url],
    ["with a callback URL on another host", ordered, "set_state_done_url", "http://evil.invalid/a/set_state_done/"],
    ["with a callback URL with another scheme", ordered, "set_state_done_url", "file:///a/set_state_done/"],
    [
      "with a callback URL at another port",
      ordered,
      "set_state_done_url",
      "http://waldur.invalid:81/a/set_state_done/",
    ],
    ["with a password in a callback URL", ordered, "set_state_done_url", "http://u:p@waldur.invalid/a/set_state_done/"],
    ["with a query in a callback URL", ordered, "set_state_done_url", `${orderUrl}?x=/set_state_done/`],
    ["with a tab in a callback URL", ordered, "set_state_done_url", `${orderUrl}\tset_state_done/`],
    [
      "with an empty component in a callback URL",
      ordered,
      "set_state_done_url",
      `${orderUrl.replace("/marketplace", "//marketplace")}set_state_done/`,
    ],
    ["with an escape in a callback URL", ordered, "set_state_done_url", `${orderUrl}%2F/set_state_done/`],
    [
      "with a callback URL of no order",
      ordered,
      "set_state_done_url",
      `${orderUrl.replace("marketplace-orders", "other-orders")}set_state_done/`,
    ],
    ["with a callback URL that does something else", ordered, "set_state_done_url", `${orderUrl}set_state_erred/`],
    [
      "with a callback URL of another resource",
      ordered,
      "set_backend_id_url",
      ordered.set_backend_id_url.replace("44d1", "55d1"),
    ],
    ["with a callback URL that is not a string", ordered, "set_state_ok_url", [ordered.set_state_ok_url]],
  ])("%s is rejected", (_, entry, path, value) => {
    const found = check(changed(entry, path, value))
    expect(found).toMatchObject({ field: expect.any(String), reason: expect.stringMatching(/^expected /) })
    expect(JSON.stringify(found).length).toBeLessThan(1500)
  })

  test("is rejected if its item nests thousands of levels deep, which no encoder accepts", () => {
    for (const levels of [5000, 100_000]) {
      const deepest = JSON.stringify(ownItem).replace("[1]", "[".repeat(levels) + "]".repeat(levels))
      expect(check(deepest)).toMatchObject({ field: "target.targetItem" })
    }
  })

  test("is rejected if its text is not canonical", () => {
    const text = JSON.stringify(store)
    expect(isBelieved(text)).toBe(true)
    for (const other of [
      // Some readers take the other one of two.
      text.replace('"mountPoint":', '"mountPoint":{"default":"/etc"},"mountPoint":'),
      text.replace('"unixGid":', '"unixGid":0,"unixGid":'),
      text.replace('{"default"', '{ "default"'),
      text.replace('"status"', '"\\u0073tatus"'),
      `${text} `,
      `[${text}]`,
      text.slice(0, -1),
      "",
      "null",
      "[".repeat(250_000),
    ]) {
      expect([other.slice(0, 80), isBelieved(other)]).toEqual([other.slice(0, 80), false])
    }
  })

  test("is validated against the current settings", () => {
    const cases: ReadonlyArray<readonly [unknown, Partial<ModelSettings>, boolean]> = [
      [store, { mountRoots: ["/capstor"] }, true],
      [store, { mountRoots: ["/capstor/"] }, true],
      [store, { mountRoots: ["/vast"] }, false],
      [store, { mountRoots: ["/capst"] }, false],
      [changed(store, "mountPoint.default", "/var/data/x"), { mountRoots: ["/var/data"] }, true],
      [store, { minGid: 31_001 }, true],
      [store, { minGid: 31_002 }, false],
      [store, { maxGid: 31_000 }, false],
      [store, { storageFileSystem: "gpfs" }, false],
      [ordered, { waldurApiUrl: "http://other.invalid/api/" }, false],
      [ordered, { waldurApiUrl: undefined }, false],
      [ordered, { waldurApiUrl: "http://other.invalid/", callbackOrigins: ["http://waldur.invalid"] }, true],
      // The UID of `users` is a mock, whatever the smallest GID is.
      [changed(users, "target.targetItem.primaryProject.unixGid", 40_000), { minGid: 40_000 }, true],
    ]
    for (const [entry, more, believed] of cases) expect([more, isBelieved(entry, more)]).toEqual([more, believed])
    expect(isBelieved(store, {}, "vast")).toBe(false)
    expect(isBelieved(store, {}, "elsewhere")).toBe(false)
  })

  test("that is accepted obeys the rules, with any value in any field", () => {
    const entries = [store, ordered, users, ownItem, tenant, customer]
    const pathsIn = (value: unknown, at: ReadonlyArray<string> = []): ReadonlyArray<string> =>
      typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([key, inner]) => [[...at, key].join("."), ...pathsIn(inner, [...at, key])])
        : []
    const places = entries.flatMap((entry) => pathsIn(entry).map((path) => [entry, path] as const))
    const value = fc.oneof(
      fc.jsonValue(),
      fc.integer(),
      fc.double({ noNaN: true }),
      fc.constantFrom("/etc", "/capstor/store/x", "0777", "removing", 0, 1000, 65_534, 2 ** 31, "__proto__", {}, []),
    )
    let believed = 0
    fc.assert(
      fc.property(fc.constantFrom(...places), value, ([entry, path], other) => {
        // As JSON expresses it: an infinity is null there.
        const made = JSON.parse(JSON.stringify(changed(entry, path, other)))
        if (!isBelieved(made)) return
        believed += 1
        expect(made.mountPoint.default).toMatch(/^(\/[A-Za-z0-9_][A-Za-z0-9._-]{0,254})+$/)
        expect(isInSystemDirectory(made)).toBe(false)
        expect(made.permission.value).toMatch(/^[0-7]{3,4}$/)
        const { unixGid, primaryProject } = made.target.targetItem
        const gid = unixGid ?? primaryProject?.unixGid
        if (made.parentItemId !== null && gid !== undefined) expect(gid).toBeGreaterThanOrEqual(1000)
        for (const { quota } of made.quotas ?? []) expect(quota).toBeGreaterThanOrEqual(0)
      }),
      { numRuns: 1000 },
    )
    expect(believed).toBeGreaterThan(10)
  })

  test("of any text is validated without throwing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), fc.string(), (text, slug) => {
        expect(isBelieved(text, {}, slug)).toBe(false)
      }),
    )
  })
})

import { dashedUuid, defaultModelSettings, type ModelSettings, type OfferingCustomer } from "@cscs/storage-model"
import { Effect, Result } from "effect"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { chunkText, headerText, storedReader } from "../src/persistence/stored-snapshot.ts"
import { buildSnapshot } from "../src/refresh/build-snapshot.ts"
import { decodeRows, neededBy, resourcesIn } from "../src/refresh/decoded-rows.ts"
import type { ProjectGids } from "../src/refresh/gid-source.ts"
import type { Any } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

const model: ModelSettings = {
  ...defaultModelSettings,
  waldurApiUrl: "https://waldur.example.org/api/",
  storageSystems: ["capstor", "vast", "iopsstor"].map((slug) => ({ name: slug, offeringSlug: slug })),
}

/** The tree of some rows, each project with a GID of its own. */
const treeOf = async (rows: ReadonlyArray<Any>, names: ReadonlyArray<string> = []) => {
  const decoded = await Effect.runPromise(decodeRows(rows, model))
  const offerings = new Map<string, Set<string>>()
  const customers = new Map<string, Array<OfferingCustomer>>()
  const { resources } = await Effect.runPromise(resourcesIn(decoded.rows))
  const { projects } = await Effect.runPromise(neededBy(decoded))
  for (const { offering_slug, offering_uuid, customer_uuid, customer_slug } of resources) {
    offerings.set(offering_slug, new Set([...(offerings.get(offering_slug) ?? []), offering_uuid]))
    const uuid = dashedUuid(customer_uuid)
    const name = names[customers.size % names.length]
    if (uuid === undefined || name === undefined) continue
    customers.set(offering_uuid, [...(customers.get(offering_uuid) ?? []), { uuid, slug: customer_slug, name }])
  }
  const gids: ProjectGids = new Map(
    [...projects].map((project, index) => [project, { status: "known", gid: 40_000 + index, origin: "api" }]),
  )
  const { snapshot } = await Effect.runPromise(
    buildSnapshot({
      rows: decoded,
      lookups: { customers, gids },
      offerings,
      invisibleOfferings: [],
      offeringWarnings: [],
      model,
      previous: undefined,
      previousReadAt: 0,
      readStartedAt: 0,
      emptyGuard: 3_600_000,
      change: undefined,
    }),
  )
  return { snapshot, readStartedAt: 1, readEndedAt: 2, changedAt: 3 }
}

/** Why the stored form of a snapshot would be refused when it is read; `undefined` if it would not. */
const refusalOf = (taken: Awaited<ReturnType<typeof treeOf>>): string | undefined => {
  const reader = storedReader(model)
  const header = reader.header(headerText(taken))
  if (Result.isFailure(header)) return header.failure
  for (const chunk of taken.snapshot.entries.chunks) {
    const read = reader.chunk(chunkText(chunk), chunk.digest)
    if (Result.isFailure(read)) return read.failure
  }
  return undefined
}

const someText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300, size: "max" }),
  fc
    .constantFrom("\u0001", "\ud800", '"', "\\", "é", "İ", "👩‍🔬", "a", "\u2028", " ")
    .chain((one) => fc.integer({ min: 1, max: 1000 }).map((times) => one.repeat(times))),
  fc.constantFrom("", "store", "users", "OK", "__proto__", "/a/b", "/mnt/x/../y", "775", "Terminating", "executing"),
)
const someValue = fc.oneof(
  someText,
  fc.constantFrom<unknown>(null, true, 0, -0, -1, 1e-9, 5e-324, 1e308, 2 ** 53, 775, [], {}),
  fc.dictionary(someText, someText, { maxKeys: 3 }),
  fc.array(someText, { maxLength: 3 }),
)
const fields = [
  "slug",
  "name",
  "state",
  "created",
  "provider_slug",
  "provider_name",
  "customer_slug",
  "customer_name",
  "customer_uuid",
  "project_slug",
  "project_name",
  "project_uuid",
  "backend_id",
  "backend_metadata",
  "attributes",
  "options",
  "limits",
  "order_in_progress",
]
const item = "0f8fad5b-d9cb-469f-a165-70867728950e"
const someRow = fc.oneof(
  fc.dictionary(fc.constantFrom(...fields), someValue, { maxKeys: 3 }),
  someText.map((text) => ({ attributes: { storage_data_type: "users", permissions: text } })),
  fc.tuple(someText, someValue).map(([key, value]) => ({
    backend_metadata: {
      project_item: { [key]: value, itemId: item.toUpperCase(), unixGid: 40_001 },
      user_item: { itemId: item, unixUid: 40_001, primaryProject: { unixGid: 40_001, [key]: value } },
    },
  })),
  fc.tuple(someValue, someValue, someText).map(([old, now, url]) => ({
    state: "Updating",
    order_in_progress: {
      type: "Update",
      state: "executing",
      url: `HTTPS://Waldur.Example.org:443/api/marketplace-orders/${"a".repeat(32)}${url.slice(0, 1)}`,
      attributes: { old_limits: { storage: old }, new_options: { soft_quota_inodes: now } },
      limits: { storage: now },
    },
  })),
  fc.tuple(someValue, someValue).map(([limit, option]) => ({
    limits: { storage: limit },
    options: { hard_quota_space: option, soft_quota_inodes: option, permissions: option },
  })),
)

describe("a stored list", () => {
  test("is valid with findings of any text, even two hundred characters that JSON must escape", async () => {
    const [row, ...rows] = aWorld(16).resources
    const changed = [{ ...row, attributes: { permissions: "\u0001".repeat(1000) } }, ...rows]
    expect(refusalOf(await treeOf(changed))).toBeUndefined()
  })

  test("can be read back whatever Waldur's rows and customers contain", async () => {
    const rows = aWorld(16).resources
    await fc.assert(
      fc.asyncProperty(
        fc.array(someRow, { minLength: 1, maxLength: 8 }),
        fc.array(someText, { minLength: 1, maxLength: 3 }),
        async (changes, names) => {
          const changed = rows.map((row, index) => ({ ...row, ...changes[index] }))
          expect(refusalOf(await treeOf(changed, names))).toBeUndefined()
        },
      ),
      { numRuns: 200 },
    )
  })
})

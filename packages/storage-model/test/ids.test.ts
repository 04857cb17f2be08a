import { describe, expect, it } from "vitest"
import { dashedUuid, deterministicId } from "../src/index.ts"
import { aResource, resourceId } from "./a-resource.ts"
import { entriesOf, entryWith, refusalWith, treeOf } from "./a-tree.ts"

describe("a deterministic id", () => {
  // Python: uuid.uuid5(uuid.NAMESPACE_OID, "scope:name")
  it.each([
    ["storage_system", "capstor", "4b4a996a-8d6b-556d-ad60-202cefa6ecc3"],
    ["storage_system", "Capstor", "16f1e8a6-f871-58f7-aef0-17116e8bdf83"],
    ["storage_system", "vast", "d37943e8-04d0-572c-ae9b-859249b00cb4"],
    ["storage_file_system", "lustre", "a04204cf-e3bf-5eb6-8323-0f3121afdd3b"],
    ["storage_file_system", "vastfs", "3f872825-f95e-50a2-a2f0-b31a6c4c9bd5"],
    ["storage_data_type", "store", "6cea66c5-3133-54e1-9e5d-469deb675ceb"],
    ["storage_data_type", "users", "3e8e89e4-0613-54cd-80bc-00fe1d8cafe6"],
    ["storage_data_type", "archive", "1bbb85a8-bb81-51cd-8bc4-affd7e97e2aa"],
    ["storage_data_type", "scratch", "0368ba53-7bcd-5800-8a9f-e7867c0a4d53"],
    ["storage_data_type", "media", "f9779107-b010-5b62-8906-43804e0a7d79"],
    ["project", "climate-store", "1cb09797-4457-59c6-9052-68b72ac90935"],
    ["project", "capstor-000", "c11a30c6-8723-5156-ab5c-dcd601c9b044"],
    ["project", "größe", "9d82cc49-ea0c-5112-a586-8bb6fb55e6af"],
    ["user", "climate-store", "d9fdb1e9-1302-577f-9133-a61142b54d4c"],
  ])("of %s:%s is %s", (scope, name, id) => {
    expect(deterministicId(scope, name)).toBe(id)
  })
})

describe("a UUID", () => {
  it.each([
    ["44d1e2669fbc50bc8c11fe312cab9dd3", resourceId],
    ["44D1E2669FBC50BC8C11FE312CAB9DD3", resourceId],
    [resourceId, resourceId],
    [resourceId.toUpperCase(), resourceId],
    ["00000000000000000000000000000000", "00000000-0000-0000-0000-000000000000"],
  ])("%s is served as %s", (written, served) => {
    expect(dashedUuid(written)).toBe(served)
    expect(entryWith({ uuid: written }).itemId).toBe(served)
  })

  it.each([
    "",
    "44d1e2669fbc50bc8c11fe312cab9dd",
    "44d1e2669fbc50bc8c11fe312cab9dd33",
    "44d1e2669fbc50bc8c11fe312cab9ddg",
    `{${resourceId}}`,
    `urn:uuid:${resourceId}`,
    ` ${resourceId}`,
    `${resourceId}\n`,
    "44d1e266-9fbc50bc-8c11fe31-2cab9dd3--",
    5,
    null,
  ])("is not %j", (written) => {
    expect(dashedUuid(written)).toBeUndefined()
    expect(refusalWith({ uuid: written })).toMatchObject({ code: "bad-data", field: "uuid", uuid: null })
  })

  it("is lowercase and dashed everywhere in the tree", () => {
    const row = aResource({
      uuid: "44D1E2669FBC50BC8C11FE312CAB9DD3",
      offering_uuid: "433B52EADAA45D15850280AC8E2EBC8A",
      customer_uuid: "AE3B26CFE7E85FB1BA5A056AF79C371F",
    })
    const ids = entriesOf(treeOf([row])).flatMap(({ itemId, parentItemId, target }) => [
      itemId,
      parentItemId,
      target.targetItem.itemId,
    ])
    expect(ids).toEqual([
      "433b52ea-daa4-5d15-8502-80ac8e2ebc8a",
      null,
      "433b52ea-daa4-5d15-8502-80ac8e2ebc8a",
      "ae3b26cf-e7e8-5fb1-ba5a-056af79c371f",
      "433b52ea-daa4-5d15-8502-80ac8e2ebc8a",
      "ae3b26cf-e7e8-5fb1-ba5a-056af79c371f",
      "44d1e266-9fbc-50bc-8c11-fe312cab9dd3",
      "ae3b26cf-e7e8-5fb1-ba5a-056af79c371f",
      "1cb09797-4457-59c6-9052-68b72ac90935",
    ])
  })
})

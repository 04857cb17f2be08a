import fc from "fast-check"
import {
  type ModelSettings,
  type OfferingCustomer,
  type ProjectGid,
  type ProtectedPath,
  waldurResourceFields,
} from "../src/index.ts"
import { anOrder, aResource, dashedNumber, type Row, uuidNumber } from "./a-resource.ts"
import { settingsWith } from "./a-tree.ts"

const prototypeKeys = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length"]
const oddTexts = ["", " ", ".", "..", "/", "a/../b", "\0", "\ud800", "a\udfff", "💾", "a".repeat(256), "null", "NaN"]

const text = fc.oneof(
  fc.constantFrom(...prototypeKeys, ...oddTexts),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.array(fc.nat(0xffff), { maxLength: 6 }).map((units) => String.fromCharCode(...units)),
)
const number = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 999, 1000, 0.5, 5e-324, 1e17, 1e300, Number.MAX_VALUE, 2 ** 53, -(2 ** 53)),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
)
const numberText = fc.oneof(
  number.map(String),
  fc.constantFrom("", "inf", "nan", "0x10", "1e999", "10000.0", "-0", " 5 ", "1_0"),
)
/** JSON text may have the key `__proto__`, which an object literal cannot. */
const withPrototypeKey = fc
  .tuple(fc.constantFrom(...prototypeKeys), fc.jsonValue({ maxDepth: 1 }))
  .map(([key, value]): unknown => JSON.parse(`{${JSON.stringify(key)}: ${JSON.stringify(value)}}`))

/** Invalid values for a field of Waldur's JSON. */
const jsonValue: fc.Arbitrary<unknown> = fc.oneof(
  text,
  number,
  numberText,
  fc.constantFrom(null, true, false),
  withPrototypeKey,
  fc.jsonValue({ maxDepth: 2 }),
)
/** A value nested in a number of lists and objects. */
const nested = (levels: number, end: unknown): unknown => {
  let value = end
  for (let level = 0; level < levels; level += 1) value = level % 3 === 0 ? { a: value, toString: 1 } : [value]
  return value
}
const large = (size: number): ReadonlyArray<unknown> => [
  `${"1".repeat(size)}x`,
  "/".repeat(size),
  "\ud800".repeat(size),
  Array.from({ length: size }, (_, at) => at),
  Object.fromEntries(Array.from({ length: size }, (_, at) => [`k${at}`, { storage_data_type: "store" }])),
  { ["k".repeat(size)]: { storage_data_type: "store", permissions: "rwx" } },
]
const text2k = "x".repeat(2000)

/** Values of any depth, type and size for a field of Waldur's JSON. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: jsonValue },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(19, 20, 21, 100, 5000, 50_000), jsonValue)
      .map(([levels, end]) => nested(levels, end)),
  },
  { weight: 1, arbitrary: fc.constantFrom(...large(10_000)) },
  fc.constantFrom<unknown>(
    { toString: 1 },
    { toString: 1, valueOf: 1, toJSON: 1, length: -1 },
    JSON.parse('{"__proto__": {"storage_data_type": "users", "permissions": "777", "toString": null}}'),
    { storage_data_type: text2k, permissions: text2k },
    { storage_data_type: "archive", permissions: "2750", hard_quota_space: "1".repeat(100_000) },
    { a: { storage_data_type: "a", permissions: "775" }, b: { storage_data_type: "b", permissions: "775" } },
    `https://waldur.example.com/api/marketplace-orders/b9${"/".repeat(40_000)}x`,
    "https://waldur.example.com@evil.example/api/marketplace-orders/b9/",
  ),
)

/** Values that JSON cannot express. */
const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withNullPrototype: true,
    withObjectString: true,
    withSparseArray: true,
    withTypedArray: true,
    withBoxedValues: true,
  }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Symbol("x"), () => 5),
)

const projects = Array.from({ length: 6 }, (_, at) => `project-${at}`)
const customers = Array.from({ length: 4 }, (_, at) => ({ slug: `customer-${at}`, uuid: uuidNumber(0xc0 + at) }))
const offerings = [
  { offering_slug: "capstor", offering_uuid: uuidNumber(0xa0) },
  { offering_slug: "vast", offering_uuid: uuidNumber(0xa1) },
  { offering_slug: "other", offering_uuid: uuidNumber(0xa2) },
]
const states = ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated"]
const orderStates = [
  "pending-consumer",
  "pending-project",
  "pending-start-date",
  "pending-provider",
  "executing",
  "executing",
  "done",
  "Executing",
  "of-a-later-waldur",
]
const dataTypes = ["store", "archive", "users", "scratch", " Store ", "media", "", null]
const paths = [
  "/fs/t/c/one",
  "/fs/t/c/two",
  "/fs/t/d/one",
  "/fs/u",
  "/fs/t/c/one/below",
  "/fs/t",
  "/fs",
  "/elsewhere/x",
  "/etc/cron.d/x",
  "/lib64/x",
  "/fs/t/c/one/",
  "//fs//t/c/one",
  "/fs/./t/c/../c/two",
  " /fs/t/c/two\n",
  "/fs/t%2Fc/one",
  "\uff0ffs/t/c/\u200bone",
  "/capstor/store/cscs/customer-0",
  "/capstor/store/cscs/customer-0/project-0",
]
const space = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 100 }) },
  number,
  numberText,
  fc.constant(null),
)
const limits = fc.oneof({ weight: 5, arbitrary: fc.record({ storage: space }) }, fc.constantFrom(null, {}, []))
const inodes = fc.oneof(fc.integer({ min: 0, max: 100_000_000 }), number, numberText)
const options = fc.oneof(
  fc.constantFrom(null, {}),
  fc.record(
    {
      permissions: fc.constantFrom("775", "2770", "rwx", 5, null),
      soft_quota_space: space,
      hard_quota_space: space,
      soft_quota_inodes: inodes,
      hard_quota_inodes: inodes,
      soft_quota_indoes: inodes,
      hard_quota_indoes: inodes,
    },
    { requiredKeys: [] },
  ),
)
const gid = fc.oneof(fc.integer({ min: 990, max: 1010 }), number)
const item = fc.record(
  {
    itemId: fc.constantFrom(uuidNumber(7), dashedNumber(7), "no uuid"),
    key: text,
    unixGid: gid,
    unixUid: gid,
    primaryProject: fc.record({ unixGid: gid }),
  },
  { requiredKeys: ["itemId"] },
)
const metadata = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(null, {}, { gid: 30_000 }) },
  fc.record({ project_item: item, user_item: item }, { requiredKeys: [] }),
)
const order = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  fc
    .record({
      type: fc.constantFrom("Create", "Update", "Terminate"),
      state: fc.constantFrom(...orderStates),
      limits,
      attributes: fc.record({ old_limits: limits, old_options: options, new_options: options }, { requiredKeys: [] }),
    })
    .map(anOrder),
)

/** A plausible Waldur row. There are few uuids and paths, so that rows collide. */
const plausibleRow: fc.Arbitrary<Row> = fc
  .record({
    uuid: fc.integer({ min: 1, max: 40 }).map(uuidNumber),
    slug: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("r-1", "r-2", "r-3") }, fc.constantFrom("a b", "größe")),
    state: fc.constantFrom(...states),
    created: fc.constantFrom(
      "2025-01-01T00:00:00Z",
      "2025-01-01T00:00:00.000001Z",
      "2025-01-01T01:00:00+01:00",
      "2024-06-01T12:00:00.5Z",
      null,
    ),
    offering: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...offerings.slice(0, 2)) },
      fc.constantFrom(...offerings),
    ),
    provider_slug: fc.constantFrom("cscs", "psi"),
    provider_name: fc.constantFrom("CSCS", "PSI", null),
    customer: fc.constantFrom(...customers),
    customer_uuid: fc.option(fc.constant(true), { nil: null, freq: 8 }),
    customer_name: fc.constantFrom("A Customer", "Its Old Name", null),
    project_uuid: fc.constantFrom(uuidNumber(0xd0), dashedNumber(0xd0), uuidNumber(0xd1), null),
    project_slug: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...projects) },
      fc.constantFrom("..", "../project-0", "not a name"),
    ),
    project_name: fc.oneof({ weight: 9, arbitrary: fc.constant("A Project") }, fc.constant(null)),
    permissions: fc.oneof({ weight: 5, arbitrary: fc.constantFrom("775", "2770", null) }, fc.constantFrom("rwx", 775)),
    storage_data_type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...dataTypes) }, fc.constant(5)),
    limits,
    options,
    backend_id: fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom("", null, "relative/path") },
      fc.constantFrom(...paths),
    ),
    backend_metadata: metadata,
    order_in_progress: order,
  })
  .map(({ offering, customer, customer_uuid, permissions, storage_data_type, ...rest }) =>
    aResource({
      ...rest,
      ...offering,
      customer_slug: customer.slug,
      customer_uuid: customer_uuid === null ? null : customer.uuid,
      attributes: { permissions, storage_data_type },
    }),
  )

/** Waldur's fields with arbitrary values, some of them in the objects that the model reads. */
const changesOf = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Row> => {
  const inside = (...keys: ReadonlyArray<string>) =>
    fc.dictionary(fc.constantFrom(...keys, ...prototypeKeys), value, { maxKeys: 3, noNullPrototype: false })
  return fc.oneof(
    fc.dictionary(fc.constantFrom(...waldurResourceFields), value, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
    fc.record(
      {
        attributes: inside("permissions", "storage_data_type", "hard_quota_space", "folder"),
        limits: inside("storage"),
        options: inside(
          "permissions",
          "storage_data_type",
          "folder",
          "soft_quota_space",
          "hard_quota_space",
          "soft_quota_inodes",
          "hard_quota_indoes",
        ),
        backend_metadata: inside("project_item", "user_item"),
        order_in_progress: inside("type", "state", "url", "limits", "attributes"),
      },
      { requiredKeys: [] },
    ),
  )
}
const rowWith = (value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 6, arbitrary: plausibleRow },
    {
      weight: 3,
      arbitrary: fc.tuple(plausibleRow, changesOf(value)).map(([row, changes]) => ({ ...row, ...changes })),
    },
    { weight: 1, arbitrary: value },
  )

const storageFolder = fc.record(
  {
    storage_data_type: fc.oneof({ weight: 5, arbitrary: fc.constantFrom("store", "archive", " Users ") }, text),
    permissions: fc.oneof({ weight: 5, arbitrary: fc.constantFrom("775", "2750", "") }, text),
    hard_quota_space: space,
    soft_quota_inodes: inodes,
    hard_quota_inodes: inodes,
  },
  { requiredKeys: ["storage_data_type", "permissions"] },
)

/** Rows that JSON can express. */
export const jsonRow: fc.Arbitrary<unknown> = rowWith(
  fc.oneof({ weight: 6, arbitrary: jsonValue }, { weight: 2, arbitrary: storageFolder }),
)
/** Arbitrary rows. */
export const anyRow: fc.Arbitrary<unknown> = rowWith(fc.oneof(jsonValue, anyValue))

/** Malformed rows, each with a path of its own, and with a uuid of its own unless that is what is malformed. */
export const malformedRow: fc.Arbitrary<Row> = fc
  .tuple(
    plausibleRow,
    fc.oneof(
      fc.record({ uuid: fc.constantFrom("", "no uuid", 5, null, undefined) }),
      fc.record({ slug: fc.constantFrom("", 5, null, undefined) }),
      fc.record({ created: fc.constantFrom(5, []) }),
      fc.record({ offering_uuid: fc.constantFrom("capstor", null) }),
      fc.record({ offering_slug: fc.constantFrom("", null, 5, "foreign") }),
      fc.record({ provider_slug: fc.constantFrom("", null, 5, "..", "a b") }),
      fc.record({ customer_slug: fc.constantFrom("", null, 5) }),
      fc.record({ project_slug: fc.constantFrom("", null, 5) }),
      fc.record({ attributes: fc.constantFrom([], 5, "775", { storage_data_type: 5 }, { storage_data_type: "a/b" }) }),
      fc.record({ order_in_progress: fc.constantFrom(5, [], "Update", { state: 5 }) }),
    ),
    fc.integer({ min: 1000, max: 2000 }),
  )
  .map(([row, bad, number]) =>
    aResource({ ...row, uuid: uuidNumber(number), project_slug: `malformed-${number}`, backend_id: "", ...bad }),
  )

/** All inputs of the tree except the rows. */
export interface Surrounding {
  readonly customers: ReadonlyMap<string, ReadonlyArray<OfferingCustomer>>
  readonly gids: ReadonlyMap<string, ProjectGid>
  readonly settings: ModelSettings
  readonly offerings?: ReadonlyMap<string, ReadonlySet<string>>
  readonly protectedPaths?: ReadonlyArray<ProtectedPath>
}

const listed: fc.Arbitrary<OfferingCustomer> = fc.record({
  uuid: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...customers.map(({ uuid }) => uuid)) }, text),
  slug: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...customers.map(({ slug }) => slug)) }, text),
  name: text,
})
const projectGid: fc.Arbitrary<ProjectGid> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ status: fc.constant("known" as const), gid: fc.integer({ min: 1000, max: 60_000 }) }),
  },
  fc.record({ status: fc.constant("known" as const), gid: fc.oneof(number, fc.constant(Number.NaN)) }),
  fc.record({ status: fc.constantFrom("unknown" as const, "unavailable" as const), reason: text }),
)

const own = (...numbers: ReadonlyArray<number>) => new Set(numbers.map(dashedNumber))

export const surrounding: fc.Arbitrary<Surrounding> = fc.record(
  {
    customers: fc
      .dictionary(fc.constantFrom(dashedNumber(0xa0), dashedNumber(0xa1)), fc.array(listed, { maxLength: 6 }))
      .map((lists) => new Map(Object.entries(lists))),
    gids: fc
      .dictionary(fc.constantFrom(...projects, "__proto__"), projectGid, { minKeys: 3, maxKeys: 7 })
      .map((answers) => new Map(Object.entries(answers))),
    settings: fc
      .record({
        useMockTargetItems: fc.boolean(),
        mountRoots: fc.constantFrom([], [], ["/"], ["/fs"], [" //fs/./ ", "/capstor"], ["/fs/t"], ["fs"]),
        minGid: fc.constantFrom(1000, 1000, 1005),
        storageSystems: fc.constantFrom(
          ["capstor", "vast"].map((name) => ({ name, offeringSlug: name })),
          ["vast", "capstor"].map((name) => ({ name: `the ${name}`, offeringSlug: name })),
        ),
      })
      .map(settingsWith),
    offerings: fc.constantFrom(
      new Map([
        ["capstor", own(0xa0)],
        ["vast", own(0xa1)],
      ]),
      new Map([["capstor", own(0xa0, 0xa1)]]),
    ),
    protectedPaths: fc.array(
      fc.record({ path: fc.oneof(fc.constantFrom(...paths), text), by: fc.constantFrom("a guard", "an offering") }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ["customers", "gids", "settings"] },
)

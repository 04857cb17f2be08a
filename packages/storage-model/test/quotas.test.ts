import { describe, expect, it } from "vitest"
import { type ModelSettings, quotaReport } from "../src/index.ts"
import type { Row } from "./a-resource.ts"
import { entryWith, warningsWith } from "./a-tree.ts"

/** Space soft, space hard, inodes soft, inodes hard. */
const quotasOf = (changes: Row, settings: Partial<ModelSettings> = {}) =>
  entryWith(changes, { settings }).quotas?.map(({ quota }) => quota) ?? null

describe("the quotas", () => {
  it("are space soft and hard in tera, then inodes soft and hard without a unit", () => {
    expect(entryWith({ limits: { storage: 10 } }).quotas).toEqual([
      { type: "space", quota: 10, unit: "tera", enforcementType: "soft" },
      { type: "space", quota: 10, unit: "tera", enforcementType: "hard" },
      { type: "inodes", quota: 13_300_000, unit: "none", enforcementType: "soft" },
      { type: "inodes", quota: 20_000_000, unit: "none", enforcementType: "hard" },
    ])
  })

  it.each([
    [10, 10],
    [0.5, 0.5],
    ["10", 10],
    ["10000.0", 10_000],
    ["0.5", 0.5],
    [".5", 0.5],
    ["5.", 5],
    ["+5", 5],
    ["007", 7],
    ["1e3", 1000],
    ["1E-1", 0.1],
    [" 5 ", 5],
    [5e-324, 5e-324],
  ])("of a limit of %j have %d TB", (storage, space) => {
    expect(quotasOf({ limits: { storage } })?.slice(0, 2)).toEqual([space, space])
    expect(warningsWith({ limits: { storage } })).toEqual([])
  })

  it.each([undefined, null, 0, -0, "0", "-0", "0.0", "-0.0"])(
    "of a limit of %j are null, without a warning",
    (storage) => {
      expect(quotasOf({ limits: { storage } })).toBeNull()
      expect(warningsWith({ limits: { storage } })).toEqual([])
    },
  )

  it.each([undefined, null, {}])("of the limits %j are null, without a warning", (limits) => {
    expect(quotasOf({ limits })).toBeNull()
    expect(warningsWith({ limits })).toEqual([])
  })

  it.each([
    "",
    " ",
    "inf",
    "-inf",
    "Infinity",
    "nan",
    "NaN",
    "0x10",
    "0b1",
    "0o7",
    "1_000",
    "1,5",
    "10 TB",
    "1e999",
    "1e",
    ".",
    "+",
    "--1",
    "１０",
    "10n",
    true,
    false,
    [],
    [10],
    {},
    -1,
    -0.001,
    "-5",
    -1e308,
  ])("of a limit of %j, which is not a number or negative, are null, with a warning", (storage) => {
    expect(quotasOf({ limits: { storage } })).toBeNull()
    expect(warningsWith({ limits: { storage } })).toEqual([
      { code: "ignored-value", field: "limits.storage", found: storage },
    ])
  })

  it.each([
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "Infinity"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
  ])("of a limit of %d are null, with a warning that JSON can express", (storage, found) => {
    expect(quotasOf({ limits: { storage } })).toBeNull()
    expect(warningsWith({ limits: { storage } })).toEqual([{ code: "ignored-value", field: "limits.storage", found }])
  })

  it.each([[[]], ["storage"], [5], [true]])("of the limits %j are null, with a warning", (limits) => {
    expect(quotasOf({ limits })).toBeNull()
    expect(warningsWith({ limits })).toEqual([{ code: "ignored-value", field: "limits", found: limits }])
  })

  it.each([
    2 ** 53,
    "9007199254740992",
    1e17,
    1e300,
    Number.MAX_VALUE,
    "1e308",
    `1${"0".repeat(64)}`,
    `5${" ".repeat(64)}`,
  ])("of a limit of %j, which is beyond 2^53 - 1 or longer than 64 characters, are null, with a warning", (storage) => {
    expect(quotasOf({ limits: { storage } })).toBeNull()
    expect(warningsWith({ limits: { storage } })).toEqual([
      { code: "ignored-value", field: "limits.storage", found: storage },
    ])
  })

  it.each([2 ** 53 - 1, "9007199254740991", `${" ".repeat(48)}9007199254740991`])(
    "of a limit of %j have that space, and at most as many inodes as a double expresses exactly, with a warning",
    (storage) => {
      const most = Number.MAX_SAFE_INTEGER
      expect(quotasOf({ limits: { storage } })).toEqual([most, most, most, most])
      expect(warningsWith({ limits: { storage } })).toEqual([
        { code: "ignored-value", field: "limits.storage", found: storage },
      ])
    },
  )

  it("of a text of ten million digits and an x are null at once", () => {
    const storage = `${"1".repeat(10_000_000)}x`
    expect(quotasOf({ limits: { storage }, options: { soft_quota_space: storage } })).toBeNull()
  })

  it("of a limit that a small multiplier reduces to 0 have at least one inode, too", () => {
    expect(quotasOf({ limits: { storage: 5e-324 } }, { inodeBaseMultiplier: 0.4 })?.slice(2)).toEqual([1, 1])
  })

  it.each([1e-9, 5e-324, "1e-300"])(
    "of a limit of %j have at least one inode, because 0 means unlimited",
    (storage) => {
      expect(quotasOf({ limits: { storage } })).toEqual([Number(storage), Number(storage), 1, 1])
    },
  )

  it("ignore a limit of a prototype", () => {
    expect(quotasOf({ limits: JSON.parse('{"__proto__": {"storage": 5}}') })).toBeNull()
    expect(quotasOf({ limits: Object.create({ storage: 5 }) })).toBeNull()
  })

  it("of a limit of a tenth are not rounded", () => {
    expect(quotasOf({ limits: { storage: 0.1 } })).toEqual([0.1, 0.1, 133_000, 200_000])
  })
})

describe("the inodes", () => {
  // Python: math.trunc((storage * 1000000) * 1.33), math.trunc((storage * 1000000) * 2.0)
  it.each([
    [1, 1_330_000, 2_000_000],
    [50, 66_500_000, 100_000_000],
    [10_000, 13_300_000_000, 20_000_000_000],
    [0.0000015, 1, 3],
    // storage * (1000000 * 1.33) gives one less,
    [0.7, 931_000, 1_400_000],
    [6.1, 8_113_000, 12_200_000],
    // and so does (storage * 1.33) * 1000000.
    [1.4, 1_862_000, 2_800_000],
    [8.2, 10_906_000, 16_399_999],
  ])("of %d TB are %d soft and %d hard", (storage, soft, hard) => {
    expect(quotasOf({ limits: { storage } })?.slice(2)).toEqual([soft, hard])
  })

  // Python: math.trunc((storage * multiplier) * coefficient) for both coefficients
  it.each([
    {
      storage: 407.8,
      settings: { inodeBaseMultiplier: 500_000, inodeSoftCoefficient: 1.15, inodeHardCoefficient: 2.2 },
      soft: 234_484_999,
      hard: 448_580_000,
    },
    {
      storage: 478.4,
      settings: { inodeBaseMultiplier: 1_500_000, inodeSoftCoefficient: 1.15, inodeHardCoefficient: 2.2 },
      soft: 825_239_999,
      hard: 1_578_720_000,
    },
    {
      storage: 694.3,
      settings: { inodeBaseMultiplier: 1_500_000, inodeSoftCoefficient: 1.7, inodeHardCoefficient: 2.2 },
      soft: 1_770_464_999,
      hard: 2_291_190_000,
    },
    {
      storage: 722.8,
      settings: { inodeBaseMultiplier: 1_500_000, inodeSoftCoefficient: 1.15, inodeHardCoefficient: 2.2 },
      soft: 1_246_830_000,
      hard: 2_385_240_000,
    },
    {
      storage: 282.4,
      settings: { inodeBaseMultiplier: 500_000, inodeSoftCoefficient: 1.7, inodeHardCoefficient: 2.0 },
      soft: 240_040_000,
      hard: 282_400_000,
    },
    {
      storage: 390.4,
      settings: { inodeBaseMultiplier: 1_500_000, inodeSoftCoefficient: 1.15, inodeHardCoefficient: 2.3 },
      soft: 673_440_000,
      hard: 1_346_880_000,
    },
  ])("follow the multiplier and the coefficients: %j", ({ storage, settings, soft, hard }) => {
    expect(quotasOf({ limits: { storage } }, settings)?.slice(2)).toEqual([soft, hard])
  })

  it("do not follow space from an option", () => {
    const options = { soft_quota_space: 100, hard_quota_space: 200 }
    expect(quotasOf({ limits: { storage: 10 }, options })).toEqual([100, 200, 13_300_000, 20_000_000])
  })

  it("are 0 if only an option gives space", () => {
    expect(quotasOf({ limits: {}, options: { soft_quota_space: 1, hard_quota_space: 2 } })).toEqual([1, 2, 0, 0])
  })
})

describe("a quota option", () => {
  it.each([
    [{ soft_quota_space: 8 }, [8, 10, 13_300_000, 20_000_000]],
    [{ hard_quota_space: 12 }, [10, 12, 13_300_000, 20_000_000]],
    [{ soft_quota_space: "8.5", hard_quota_space: " 1e1 " }, [8.5, 10, 13_300_000, 20_000_000]],
    [{ soft_quota_inodes: 7 }, [10, 10, 7, 20_000_000]],
    [{ hard_quota_inodes: 30_000_000 }, [10, 10, 13_300_000, 30_000_000]],
    [{ soft_quota_indoes: 7 }, [10, 10, 7, 20_000_000]],
    [{ hard_quota_indoes: 30_000_000 }, [10, 10, 13_300_000, 30_000_000]],
    [{ soft_quota_indoes: "7", hard_quota_indoes: "8" }, [10, 10, 7, 8]],
    [{ soft_quota_inodes: 7.9, hard_quota_inodes: "8.9" }, [10, 10, 7, 8]],
    [{ soft_quota_inodes: 0.5 }, [10, 10, 1, 20_000_000]],
    [{ soft_quota_inodes: 1, soft_quota_indoes: 2 }, [10, 10, 1, 20_000_000]],
    [{ soft_quota_indoes: 2, soft_quota_inodes: 1 }, [10, 10, 1, 20_000_000]],
    [{ hard_quota_inodes: 50_000_000, hard_quota_indoes: 60_000_000 }, [10, 10, 13_300_000, 50_000_000]],
    [{ soft_quota_inodes: null, soft_quota_indoes: 2 }, [10, 10, 2, 20_000_000]],
  ])("%j takes precedence over the limit", (options, quotas) => {
    expect(quotasOf({ limits: { storage: 10 }, options })).toEqual(quotas)
    expect(warningsWith({ limits: { storage: 10 }, options })).toEqual([])
  })

  const keys = [
    "soft_quota_space",
    "hard_quota_space",
    "soft_quota_inodes",
    "hard_quota_inodes",
    "soft_quota_indoes",
    "hard_quota_indoes",
  ]
  it.each(
    keys.flatMap((key) =>
      ["", "inf", "0x10", "many", true, [], {}, -1, "-5", 0, "0.0", "1e-999", 2 ** 53, "1".repeat(65)].map(
        (value) => [key, value] as const,
      ),
    ),
  )("%s of %j is ignored with a warning", (key, value) => {
    const changes = { limits: { storage: 10 }, options: { [key]: value } }
    expect(quotasOf(changes)).toEqual([10, 10, 13_300_000, 20_000_000])
    expect(warningsWith(changes)).toEqual([{ code: "ignored-value", field: `options.${key}`, found: value }])
  })

  it.each(keys)("%s of null has no effect", (key) => {
    const changes = { limits: { storage: 10 }, options: { [key]: null } }
    expect(quotasOf(changes)).toEqual([10, 10, 13_300_000, 20_000_000])
    expect(warningsWith(changes)).toEqual([])
  })

  it("that is ignored does not shadow the other spelling", () => {
    const changes = { limits: { storage: 10 }, options: { soft_quota_inodes: "many", soft_quota_indoes: 2 } }
    expect(quotasOf(changes)).toEqual([10, 10, 2, 20_000_000])
    expect(warningsWith(changes)).toEqual([
      { code: "ignored-value", field: "options.soft_quota_inodes", found: "many" },
    ])
  })

  it.each([[[]], ["soft_quota_space"], [5]])("is absent if the options are %j, with a warning", (options) => {
    expect(quotasOf({ options })).toEqual([50, 50, 66_500_000, 100_000_000])
    expect(warningsWith({ options })).toEqual([{ code: "ignored-value", field: "options", found: options }])
  })
})

describe("a soft quota above its hard one", () => {
  it.each<[string, Row, ReadonlyArray<number>, ReadonlyArray<string>]>([
    ["space", { soft_quota_space: 11 }, [10, 10, 13_300_000, 20_000_000], ["options.soft_quota_space"]],
    ["space", { hard_quota_space: 4 }, [4, 4, 13_300_000, 20_000_000], ["limits.storage"]],
    [
      "space",
      { soft_quota_space: 9, hard_quota_space: 4 },
      [4, 4, 13_300_000, 20_000_000],
      ["options.soft_quota_space"],
    ],
    ["inodes", { soft_quota_inodes: 20_000_001 }, [10, 10, 20_000_000, 20_000_000], ["options.soft_quota_inodes"]],
    ["inodes", { soft_quota_indoes: 20_000_001 }, [10, 10, 20_000_000, 20_000_000], ["options.soft_quota_indoes"]],
    ["inodes", { hard_quota_inodes: 5 }, [10, 10, 5, 5], ["limits.storage"]],
    [
      "both",
      { soft_quota_space: 11, hard_quota_inodes: 5 },
      [10, 10, 5, 5],
      ["limits.storage", "options.soft_quota_space"],
    ],
  ])("of %s (%j) is lowered to it, with a warning", (_, options, quotas, fields) => {
    expect(quotasOf({ limits: { storage: 10 }, options })).toEqual(quotas)
    expect(warningsWith({ limits: { storage: 10 }, options })).toEqual(
      fields.map((field) => expect.objectContaining({ code: "soft-above-hard", field })),
    )
  })

  it("is reported for the field that it came from if an override of it was ignored", () => {
    const options = { soft_quota_space: "many", hard_quota_space: 4 }
    expect(warningsWith({ limits: { storage: 10 }, options })).toEqual([
      { code: "soft-above-hard", field: "limits.storage", found: 10 },
      { code: "ignored-value", field: "options.soft_quota_space", found: "many" },
    ])
  })

  it.each([
    [{ soft_quota_space: 10, hard_quota_space: 10 }],
    [{ soft_quota_inodes: 20_000_000 }],
    [{ hard_quota_inodes: 13_300_000 }],
  ])("is not one that equals it: %j", (options) => {
    expect(warningsWith({ limits: { storage: 10 }, options })).toEqual([])
  })
})

describe("quotas of null", () => {
  it.each([
    [{ storage: 0 }, {}],
    [{ storage: 0 }, { soft_quota_space: 0, hard_quota_space: 0 }],
    [{}, { soft_quota_inodes: 5, hard_quota_inodes: 6 }],
  ])("follow from the limits %j and the options %j, because there is no space", (limits, options) => {
    expect(quotasOf({ limits, options })).toBeNull()
  })

  it.each([
    [{ storage: 0 }, { hard_quota_space: 1 }, [0, 1, 0, 0]],
    [{ storage: 5 }, { soft_quota_space: 0, hard_quota_space: 0 }, [5, 5, 6_650_000, 10_000_000]],
    [{ storage: "0.001" }, {}, [0.001, 0.001, 1330, 2000]],
  ])("do not follow from the limits %j and the options %j", (limits, options, quotas) => {
    expect(quotasOf({ limits, options })).toEqual(quotas)
  })
})

describe("a report of quotas", () => {
  const limits = { storage: 10 }

  it("names Waldur's options", () => {
    expect(quotaReport(entryWith({ limits, options: { soft_quota_space: 9 } }).quotas)).toEqual({
      soft_quota_space: 9,
      hard_quota_space: 10,
      soft_quota_inodes: 13_300_000,
      hard_quota_inodes: 20_000_000,
    })
  })

  it("is read back as the same quotas", () => {
    const options = { hard_quota_space: 12.5, soft_quota_inodes: 7, hard_quota_inodes: 9 }
    const { quotas } = entryWith({ limits, options })
    expect(entryWith({ limits: { storage: 1 }, options: quotaReport(quotas) }).quotas).toEqual(quotas)
  })

  it("has no option for a quota of 0, nor for unknown quotas", () => {
    expect(quotaReport([{ type: "space", quota: 0, unit: "tera", enforcementType: "soft" }])).toEqual({})
    expect(quotaReport(null)).toEqual({})
  })
})

/** Hand-written resources with odd limits and quota options. */
import type { JsonObject } from "../../json.ts"
import { type CaseSpec, field, spec } from "./case-spec.ts"

function limit(label: string, about: string, slug: string, value: unknown): CaseSpec {
  return spec(label, about, "unibe", slug, "Climate and environmental physics", {
    dataType: "archive",
    change: field("limits", value === undefined ? { cpu: 5 } : { storage: value }),
  })
}

function overrides(label: string, about: string, slug: string, options: JsonObject, storage = 50): CaseSpec {
  return spec(label, about, "unige", slug, "Astronomy", { offering: "iopsstor", options, storage })
}

export const QUOTAS = [
  limit("limit-text-decimal", 'limits.storage is "10000.0"', "ice-core-a", "10000.0"),
  limit("limit-text-exponent", 'limits.storage is "1e3"', "ice-core-b", "1e3"),
  limit("limit-text-padded", 'limits.storage is " 7 "', "ice-core-c", " 7 "),
  limit("limit-text-empty", 'limits.storage is ""', "ice-core-d", ""),
  limit("limit-text-inf", 'limits.storage is "inf"', "ice-core-e", "inf"),
  limit("limit-text-infinity", 'limits.storage is "Infinity"', "ice-core-f", "Infinity"),
  limit("limit-text-nan", 'limits.storage is "nan"', "ice-core-g", "nan"),
  limit("limit-text-hex", 'limits.storage is "0x10"', "ice-core-h", "0x10"),
  limit("limit-text-unit", 'limits.storage is "10 TB"', "ice-core-i", "10 TB"),
  limit("limit-true", "limits.storage is true", "ice-core-j", true),
  limit("limit-list", "limits.storage is a list", "ice-core-k", [10]),
  limit("limit-negative", "limits.storage is negative", "ice-core-l", -5),
  limit("limit-text-negative", 'limits.storage is "-5"', "ice-core-m", "-5"),
  limit("limit-null", "limits.storage is null", "ice-core-n", null),
  limit("limit-missing", "limits has other keys, but no storage", "ice-core-o", undefined),
  limit("limit-zero", "limits.storage is 0", "ice-core-p", 0),
  limit("limit-fraction", "limits.storage is 0.5", "ice-core-q", 0.5),
  limit(
    "limit-odd-fraction",
    "limits.storage is 0.30000000000000004, the double of 0.1 + 0.2",
    "ice-core-r",
    0.1 + 0.2,
  ),
  limit("limit-tiny", "limits.storage is too small for one inode", "ice-core-s", 1e-9),
  limit("limit-huge", "limits.storage is 1e300", "ice-core-t", 1e300),

  overrides("quota-space-overridden", "soft and hard space in options", "gaia-a", {
    soft_quota_space: 40,
    hard_quota_space: 45,
  }),
  overrides("quota-soft-space-only", "only the soft space in options", "gaia-b", { soft_quota_space: 40 }),
  overrides("quota-hard-space-only", "only the hard space in options", "gaia-c", { hard_quota_space: 80 }),
  overrides("quota-inodes-overridden", "soft and hard inodes in options", "gaia-d", {
    soft_quota_inodes: 1_500_000,
    hard_quota_inodes: 2_000_000,
  }),
  overrides("quota-inodes-misspelt", "soft_quota_indoes and hard_quota_indoes", "gaia-e", {
    soft_quota_indoes: 1_100_000,
    hard_quota_indoes: 1_200_000,
  }),
  overrides("quota-inodes-both-spellings", "inodes and indoes with contradicting values", "gaia-f", {
    soft_quota_inodes: 3_000_000,
    hard_quota_inodes: 4_000_000,
    soft_quota_indoes: 1_000_000,
    hard_quota_indoes: 2_000_000,
  }),
  overrides("quota-soft-space-above-hard", "the soft space is above the hard one", "gaia-g", {
    soft_quota_space: 90,
    hard_quota_space: 60,
  }),
  overrides("quota-soft-inodes-above-hard", "the soft inodes are above the hard ones", "gaia-h", {
    soft_quota_inodes: 9_000_000,
    hard_quota_inodes: 6_000_000,
  }),
  overrides("quota-space-negative", "a negative space override", "gaia-i", {
    soft_quota_space: -1,
    hard_quota_space: -2,
  }),
  overrides("quota-inodes-negative", "a negative inode override", "gaia-j", { hard_quota_inodes: -1000 }),
  overrides("quota-space-text", "space overrides as numeric strings", "gaia-k", {
    soft_quota_space: "30",
    hard_quota_space: "35.5",
  }),
  overrides("quota-space-junk", "a space override that is not a number", "gaia-l", { hard_quota_space: "plenty" }),
  overrides("quota-inodes-junk", "inode overrides true and inf", "gaia-m", {
    soft_quota_inodes: true,
    hard_quota_inodes: "inf",
  }),
  overrides("quota-inodes-fraction", "a fractional inode override", "gaia-n", { hard_quota_inodes: 1_000_000.75 }),
  overrides("quota-space-null", "space overrides that are null", "gaia-o", {
    soft_quota_space: null,
    hard_quota_space: null,
  }),
  overrides("quota-space-zero", "both space overrides are 0", "gaia-p", { soft_quota_space: 0, hard_quota_space: 0 }),
  overrides("quota-hard-space-zero", "the hard space override is 0, and there is no soft one", "gaia-q", {
    hard_quota_space: 0,
  }),
  overrides(
    "quota-override-without-limit",
    "the limit is 0, the overrides are not",
    "gaia-r",
    {
      soft_quota_space: 20,
      hard_quota_space: 25,
    },
    0,
  ),
  overrides(
    "quota-inodes-without-limit",
    "the limit is 0 and only inodes are overridden",
    "gaia-s",
    {
      soft_quota_inodes: 100_000,
      hard_quota_inodes: 200_000,
    },
    0,
  ),
]

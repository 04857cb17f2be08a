/** Parses the table that `lfs quota` and `quota -P` print for one project: the same columns, with different line breaks. */
import { Effect } from "effect"
import { bytesOfKibibytes, kibibytes } from "../disk/amounts.ts"
import { type Quotas, UnknownOutcome } from "./driver.ts"

export interface QuotaRow {
  /** Limits that are set for this ID itself. */
  readonly quotas: Quotas
  readonly bytes: bigint
  readonly inodes: bigint
}

/**
 * An amount, followed by `*` if over a limit. In brackets, which do not match, Lustre puts one that not all of its servers have
 * reported.
 */
const amount = /^\d{1,20}\*?$/

/**
 * Reads the row: file system, KiB used, soft and hard limit, grace, and the same for files. A long name of the file system
 * has a line of its own, so line breaks are ignored. A limit of 0 means none. Limits of Lustre's default quota are skipped: they
 * apply to each ID without limits of its own, and are not set for this one.
 *
 * Fails with `UnknownOutcome` if there is no such row, or if it is cut off, or has no exact figure where one is expected.
 */
export const readQuotaTable = (step: string, text: string): Effect.Effect<QuotaRow, UnknownOutcome> => {
  const lines = text.split("\n")
  const header = lines.findIndex((line) => /^\s*Filesystem\s/.test(line))
  const words = lines
    .slice(header + 1)
    .join(" ")
    .split(/\s+/)
    .filter(Boolean)
  const [, used = "", soft = "", hard = "", , files = "", fileSoft = "", fileHard = "", fileGrace] = words
  if (
    header < 0 ||
    fileGrace === undefined ||
    ![used, soft, hard, files, fileSoft, fileHard].every((word) => amount.test(word))
  )
    return Effect.fail(
      new UnknownOutcome({ step, detail: `its output has no complete row: ${words.join(" ").slice(0, 200)}` }),
    )
  const of = (word: string) => BigInt(word.replace("*", ""))
  const isDefault = (what: "block" | "file") => text.includes(`using default ${what} quota`)
  const limits = [
    ["spaceSoft", isDefault("block") ? 0n : bytesOfKibibytes(of(soft))],
    ["spaceHard", isDefault("block") ? 0n : bytesOfKibibytes(of(hard))],
    ["inodesSoft", isDefault("file") ? 0n : of(fileSoft)],
    ["inodesHard", isDefault("file") ? 0n : of(fileHard)],
  ] as const
  return Effect.succeed({
    quotas: Object.fromEntries(limits.filter(([, limit]) => limit > 0n)),
    bytes: bytesOfKibibytes(of(used)),
    inodes: of(files),
  })
}

/** The four limits as `lfs setquota` and `setquota` take them: space in KiB without a suffix, and 0 for no limit. */
export const limitsOf = (quotas: Quotas): readonly [string, string, string, string] => {
  const space = (bytes: bigint | undefined) => String(bytes === undefined ? 0n : kibibytes(bytes))
  const { spaceSoft, spaceHard, inodesSoft = 0n, inodesHard = 0n } = quotas
  return [space(spaceSoft), space(spaceHard), String(inodesSoft), String(inodesHard)]
}

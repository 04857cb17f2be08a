/** Flags that several commands share. */
import { Option } from "effect"
import { Flag } from "effect/cli"

export const configFlag = Flag.String("config").pipe(
  Flag.withDescription("The YAML file; default: STORAGE_PROVISIONER_CONFIG_PATH, else only the environment"),
  Flag.optional,
)

export const jsonFlag = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

/** Which entries a command is for. */
export const lookFlags = {
  config: configFlag,
  system: Flag.String("system").pipe(
    Flag.withDescription("Only this storage system, by its key in entries"),
    Flag.optional,
  ),
  only: Flag.String("only").pipe(
    Flag.withDescription(
      "Only the entry with this itemId, a UUID with dashes; entries that are not understood are named, too",
    ),
    // A path or a slug would select nothing, and look as if there were nothing to do.
    Flag.filter(
      (item) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(item),
      (item) => `Expected an itemId, a UUID with dashes, got ${item}`,
    ),
    Flag.optional,
  ),
}

/** Which entries a command is for, and how much it may remove. */
export const scopeFlags = {
  ...lookFlags,
  maxRemovals: Flag.Int("max-removals").pipe(
    Flag.withDescription("Maximum number of directories to trash; default: the configuration's, else 5"),
    Flag.filter(
      (count) => count >= 0,
      (count) => `Expected a number from 0, got ${count}`,
    ),
    Flag.optional,
  ),
}

export const dryRunFlag = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Print what would be done, and change nothing"),
  Flag.withDefault(false),
)

export interface ScopeFlags {
  readonly config: Option.Option<string>
  readonly system: Option.Option<string>
  readonly only: Option.Option<string>
  readonly maxRemovals: Option.Option<number>
}

export const scopeOf = ({ system, only }: Pick<ScopeFlags, "system" | "only">) => ({
  system: Option.getOrUndefined(system),
  only: Option.getOrUndefined(only),
})

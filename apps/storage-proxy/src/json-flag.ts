import { Flag } from "effect/cli"

/** `--json`, for every command with human-readable output. */
export const jsonFlag = (description: string) =>
  Flag.Boolean("json").pipe(Flag.withDescription(description), Flag.withDefault(false))

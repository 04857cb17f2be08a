import { Flag } from "effect/cli"

/** `--json`, as every command takes it that prints for people. */
export const jsonFlag = (description: string) =>
  Flag.Boolean("json").pipe(Flag.withDescription(description), Flag.withDefault(false))

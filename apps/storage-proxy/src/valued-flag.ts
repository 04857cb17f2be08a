import { Flag } from "effect/cli"

/** Describes a flag and its default: Effect's help shows none. */
export const withShownDefault =
  <A>(value: A, description: string) =>
  <B>(flag: Flag.Flag<B>): Flag.Flag<A | B> =>
    flag.pipe(Flag.withDescription(`${description} (default: ${value})`), Flag.withDefault(value))

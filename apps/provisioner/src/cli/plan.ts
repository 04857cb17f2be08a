/** `storage-provisioner plan`. */
import { writeFile } from "node:fs/promises"
import { Data, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { CannotWrite } from "./cannot-write.ts"
import { jsonFlag, scopeFlags } from "./flags.ts"
import { readSession } from "./session.ts"
import { jsonWithBigints, planText } from "./show-plan.ts"

/** The plan has changes: exit code 2. */
export class Changes extends Data.TaggedError("Changes") {}

export const planCommand = Command.make(
  "plan",
  {
    ...scopeFlags,
    json: jsonFlag,
    out: Flag.String("out").pipe(Flag.withDescription("Save the plan to this file, for `apply`"), Flag.optional),
  },
  Effect.fn(function* ({ json, out, ...flags }) {
    const { readList, planNow, target } = yield* readSession(flags)
    const planned = yield* planNow(yield* readList())
    if (Option.isSome(out)) {
      const path = out.value
      yield* Effect.tryPromise({
        try: () => writeFile(path, jsonWithBigints({ ...target, ...planned }), { mode: 0o600 }),
        catch: (cause) => new CannotWrite({ path, reason: (cause as Error).message }),
      })
    }
    process.stdout.write(json ? `${jsonWithBigints(planned)}\n` : planText(planned))
    if (planned.items.some(({ acts }) => acts.length > 0)) yield* new Changes()
  }, Effect.scoped),
).pipe(
  Command.withDescription(
    "Print what would be done, and change nothing. Exit code 0 if there is nothing to do, 2 if there is, 1 after an error.",
  ),
)

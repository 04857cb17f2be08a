import { rename, rm, writeFile } from "node:fs/promises"
import { proxyLayer, Snapshots } from "@cscs/proxy-server"
import { Console, Data, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { configFlag, logging, settingsFrom } from "./configuration.ts"

/** The file cannot be written; the old one stands as it was. */
class CannotWrite extends Data.TaggedError("CannotWrite")<{ readonly path: string; readonly detail: string }> {
  override get message() {
    return `Cannot write ${this.path}: ${this.detail}`
  }
}

/** `storage-proxy export`: all entries once, as a JSON list. */
export const exportEntries = Command.make(
  "export",
  {
    config: configFlag,
    out: Flag.String("out").pipe(Flag.withDescription("The file; else standard output"), Flag.optional),
  },
  Effect.fn(function* ({ config, out }) {
    const settings = yield* settingsFrom(config)
    const { snapshot } = yield* Snapshots.use(({ current }) => current).pipe(
      Effect.provide(proxyLayer(settings)),
      Effect.provide(logging(settings.logLevel)),
    )
    const { entries } = snapshot
    const utf8 = new TextDecoder()
    const lines = Array.from({ length: entries.size }, (_, position) => `  ${utf8.decode(entries.jsonAt(position))}`)
    const text = `[\n${lines.join(",\n")}\n]`
    if (Option.isNone(out)) return yield* Console.log(text)
    // Renamed when it is whole: whoever reads the file sees the old list or the new one.
    const unfinished = `${out.value}.${process.pid}.tmp`
    yield* Effect.tryPromise({
      try: async () => {
        await writeFile(unfinished, `${text}\n`)
        await rename(unfinished, out.value)
      },
      catch: (cause) =>
        new CannotWrite({ path: out.value, detail: cause instanceof Error ? cause.message : String(cause) }),
    }).pipe(Effect.tapError(() => Effect.promise(() => rm(unfinished, { force: true }))))
  }),
).pipe(Command.withDescription("Write all entries once, as a JSON list"))

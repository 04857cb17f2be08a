/** The log: JSON lines on standard error. */
import { Effect, Layer, Logger, References } from "effect"

/** What is known of an act, in fields that a line has. */
type Fields = Readonly<Record<string, string | number | boolean | undefined>>

/** Writes one line. Texts that come from outside are escaped by JSON. */
export const logLine =
  (withoutSecrets: (text: string) => string) => (level: "info" | "warning" | "error", fields: Fields) =>
    Effect.sync(() => {
      const line = JSON.stringify({ time: new Date().toISOString(), level, ...fields })
      process.stderr.write(`${withoutSecrets(line)}\n`)
    })

/** The libraries' log lines go the same way. */
export const logging = (withoutSecrets: (text: string) => string) =>
  Layer.merge(
    Logger.layer([
      Logger.make((options) => {
        process.stderr.write(`${withoutSecrets(Logger.formatJson.log(options))}\n`)
      }),
    ]),
    Layer.succeed(References.MinimumLogLevel, "Warn"),
  )

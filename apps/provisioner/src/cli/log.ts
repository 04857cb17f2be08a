/** The log: JSON lines on standard error. */
import { Effect, Layer, Logger, References } from "effect"

/** The fields of a line. */
type Fields = Readonly<Record<string, string | number | boolean | undefined>>

/** Writes one line. JSON escapes what comes from outside. */
export const logLine =
  (withoutSecrets: (text: string) => string) => (level: "info" | "warning" | "error", fields: Fields) =>
    Effect.sync(() => {
      const line = JSON.stringify({ time: new Date().toISOString(), level, ...fields })
      process.stderr.write(`${withoutSecrets(line)}\n`)
    })

/** The libraries' warnings, on standard error too: standard output is the result of a command. They contain no secret. */
export const libraryLogs = Layer.merge(
  Logger.layer([Logger.make((options) => void process.stderr.write(`${Logger.formatJson.log(options)}\n`))]),
  Layer.succeed(References.MinimumLogLevel, "Warn"),
)

/** The log: JSON lines on standard error. */
import { escapeControls } from "@cscs/proxy-server"
import { Effect, Layer, Logger, References } from "effect"

/** The fields of a line. */
type Fields = Readonly<Record<string, string | number | boolean | undefined>>

/** Writes one line. Secrets are masked field by field: in a whole line, that could remove more than the field. */
export const logLine =
  (withoutSecrets: (text: string) => string) => (level: "info" | "warning" | "error", fields: Fields) =>
    Effect.sync(() => {
      const masked = Object.entries(fields).map(([name, value]) => [
        name,
        typeof value === "string" ? withoutSecrets(value) : value,
      ])
      write(JSON.stringify({ time: new Date().toISOString(), level, ...Object.fromEntries(masked) }))
    })

/** JSON escapes C0 controls only. */
const write = (line: string): void => void process.stderr.write(`${escapeControls(line)}\n`)

/** The libraries' warnings, on standard error too: standard output is the result of a command. They contain no secret. */
export const libraryLogs = Layer.merge(
  Logger.layer([Logger.make((options) => void write(Logger.formatJson.log(options)))]),
  Layer.succeed(References.MinimumLogLevel, "Warn"),
)

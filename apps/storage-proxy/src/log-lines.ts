import { Logger, References } from "effect"

/** A line of JSON, as `Logger.formatJson` writes it. Most lines are so plain that it can be had for a third of the work. */
export const jsonLine: Logger.Logger<unknown, string> = Logger.make((options) => {
  const { message, logLevel, cause, date, fiber } = options
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  const [text, more] = Array.isArray(message) ? message : [message]
  const isPlain =
    typeof text === "string" &&
    more === undefined &&
    cause.reasons.length === 0 &&
    fiber.getRef(References.CurrentLogSpans).length === 0 &&
    Object.values(annotations).every(isScalar)
  if (!isPlain) return Logger.formatJson.log(options)
  return JSON.stringify({
    message: text,
    level: logLevel.toUpperCase(),
    timestamp: date.toISOString(),
    annotations,
    spans: {},
    fiberId: `#${fiber.id}`,
  })
})

const isScalar = (value: unknown): boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

/** A line for people, as `Logger.formatLogFmt` writes it, the level in colour where the terminal has any. */
export const terminalLine = (hasColors: boolean): Logger.Logger<unknown, string> =>
  Logger.make((options) => {
    const line = Logger.formatLogFmt.log(options).replace(controls, escaped)
    const color = colors[options.logLevel]
    return hasColors && color !== undefined
      ? line.replace(/level=(\w+)/, (level) => `\u001b[${color}m${level}\u001b[0m`)
      : line
  })

// What Waldur sends, or a caller, shall not command a terminal.
const controls = /\p{Cc}/gu
const escaped = (control: string): string => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`

const colors: Partial<Record<string, number>> = { Debug: 34, Info: 32, Warn: 33, Error: 31, Fatal: 31 }

import { maskValue } from "@cscs/proxy-server"
import { Formatter, Logger, References } from "effect"
import { escapeControls } from "./terminal-text.ts"

/** Masks the secrets in a log text. */
export type MaskText = (text: string) => string

/**
 * A JSON line as `Logger.formatJson` writes it, without secrets and control characters. Most lines are simple enough
 * for a fast path at a third of the cost.
 */
export const jsonLine = (text: MaskText): Logger.Logger<unknown, string> =>
  Logger.make((options) => {
    const { message, logLevel, cause, date, fiber } = options
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    const [first, more] = Array.isArray(message) ? message : [message]
    const isPlain =
      typeof first === "string" &&
      more === undefined &&
      cause.reasons.length === 0 &&
      fiber.getRef(References.CurrentLogSpans).length === 0 &&
      Object.values(annotations).every(isScalar)
    const line = isPlain
      ? JSON.stringify({
          message: text(first),
          level: logLevel.toUpperCase(),
          timestamp: date.toISOString(),
          annotations: maskedAnnotations(annotations, text),
          spans: {},
          fiberId: `#${fiber.id}`,
        })
      : Formatter.formatJson(maskedLine(options, text))
    return escapeControls(line)
  })

const isScalar = (value: unknown): boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

// Annotation names are our own; names inside a value come from elsewhere.
const maskedAnnotations = (annotations: Readonly<Record<string, unknown>>, text: MaskText) =>
  Object.fromEntries(Object.entries(annotations).map(([name, value]) => [name, maskValue(value, text)]))

const maskedLine = (options: Logger.Options<unknown>, text: MaskText) => {
  const line = Logger.formatStructured.log(options)
  return {
    ...line,
    message: maskValue(line.message, text),
    ...(line.cause === undefined ? {} : { cause: text(line.cause) }),
    annotations: maskedAnnotations(line.annotations, text),
  }
}

/** A human-readable line as `Logger.formatLogFmt` writes it, with a coloured level if the terminal has colours. */
export const terminalLine = (hasColors: boolean, text: MaskText): Logger.Logger<unknown, string> =>
  Logger.make((options) => {
    const line = escapeControls(text(Logger.formatLogFmt.log(options)))
    const color = colors[options.logLevel]
    return hasColors && color !== undefined
      ? line.replace(/level=(\w+)/, (level) => `\u001b[${color}m${level}\u001b[0m`)
      : line
  })

const colors: Partial<Record<string, number>> = { Debug: 34, Info: 32, Warn: 33, Error: 31, Fatal: 31 }

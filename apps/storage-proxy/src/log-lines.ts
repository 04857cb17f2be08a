import { maskValue } from "@cscs/proxy-server"
import { Formatter, Logger, References } from "effect"
import { escapeControls } from "./terminal-text.ts"

/** Masks the secrets in a log text. */
export type MaskText = (text: string) => string

/**
 * A JSON line as `Logger.formatJson` writes it, without secrets and control characters. Most lines are simple enough to
 * be put together from texts, at a tenth of the cost: that of a request is a part of the cost of a cached page.
 */
export const jsonLine = (text: MaskText): Logger.Logger<unknown, string> => {
  const timestampOf = timestamps()
  return Logger.make((options) => {
    const { message, logLevel, cause, date, fiber } = options
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    const [first, more] = Array.isArray(message) ? message : [message]
    const isPlain =
      typeof first === "string" &&
      more === undefined &&
      cause.reasons.length === 0 &&
      fiber.getRef(References.CurrentLogSpans).length === 0
    const fields = isPlain ? plainFields(annotations, text) : undefined
    const line =
      fields === undefined
        ? Formatter.formatJson(maskedLine(options, text))
        : `{"message":${JSON.stringify(text(String(first)))},"level":"${logLevel.toUpperCase()}","timestamp":"${timestampOf(date)}","annotations":${fields},"spans":{},"fiberId":"#${fiber.id}"}`
    return printable.test(line) ? line : escapeControls(line)
  })
}

/** Contains no character that `escapeControls` would escape. */
const printable = /^[\x20-\x7e]*$/

/** A JSON object, masked; `undefined` if a value is not a text, number or boolean. */
const plainFields = (annotations: Readonly<Record<string, unknown>>, text: MaskText): string | undefined => {
  const masked = { ...annotations }
  for (const name in masked) {
    const value = masked[name]
    if (typeof value === "string") masked[name] = text(value)
    else if (typeof value !== "number" && typeof value !== "boolean") return undefined
  }
  return JSON.stringify(masked)
}

/** Formats times; lines of one millisecond share the text. */
const timestamps = () => {
  let last = { time: Number.NaN, text: "" }
  return (date: Date): string => {
    const time = date.getTime()
    if (time !== last.time) last = { time, text: date.toISOString() }
    return last.text
  }
}

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

/** Log lines, as JSON and for a terminal. */
import { escapeControls, maskValue } from "@cscs/proxy-server"
import { Formatter, Logger, References } from "effect"

/** Masks the secrets in a log text. */
export type MaskText = (text: string) => string

/**
 * A flat JSON line: what `Logger.formatJson` writes, with the annotations as fields, without spans and fiber, without
 * secrets and control characters. Most lines are simple enough to be put together from texts, at a tenth of the cost:
 * that of a request is a part of the cost of a cached page.
 */
export const jsonLine = (text: MaskText): Logger.Logger<unknown, string> => {
  const timestampOf = timestamps()
  return Logger.make((options) => {
    const { message, logLevel, cause, date, fiber } = options
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    const [first, more] = Array.isArray(message) ? message : [message]
    const isPlain = typeof first === "string" && more === undefined && cause.reasons.length === 0
    const fields = isPlain ? plainFields(annotations, text) : undefined
    const line =
      fields === undefined
        ? Formatter.formatJson(maskedLine(options, text))
        : `{"message":${JSON.stringify(text(String(first)))},"level":"${logLevel.toUpperCase()}","timestamp":"${timestampOf(date)}"${fields}}`
    return printable.test(line) ? line : escapeControls(line)
  })
}

/** Contains no character that `escapeControls` would escape. */
const printable = /^[\x20-\x7e]*$/

/** The fields as JSON, each after a comma, masked; `undefined` if a value is not a text, number or boolean. */
const plainFields = (annotations: Readonly<Record<string, unknown>>, text: MaskText): string | undefined => {
  const masked = { ...annotations }
  for (const name in masked) {
    const value = masked[name]
    if (typeof value === "string") masked[name] = text(value)
    else if (typeof value !== "number" && typeof value !== "boolean") return undefined
  }
  const json = JSON.stringify(masked)
  return json === "{}" ? "" : `,${json.slice(1, -1)}`
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
  const { message, level, timestamp, cause, annotations } = Logger.formatStructured.log(options)
  return {
    message: maskValue(message, text),
    level,
    timestamp,
    ...(cause === undefined ? {} : { cause: text(cause) }),
    ...maskedAnnotations(annotations, text),
  }
}

/** A line as `Logger.formatLogFmt` writes it, without the fiber; the level is coloured if the terminal has colours. */
export const terminalLine = (hasColors: boolean, text: MaskText): Logger.Logger<unknown, string> =>
  Logger.make((options) => {
    const line = escapeControls(text(Logger.formatLogFmt.log(options).replace(/ fiber=#\d+/, "")))
    const color = colors[options.logLevel]
    return hasColors && color !== undefined
      ? line.replace(/level=(\w+)/, (level) => `\u001b[${color}m${level}\u001b[0m`)
      : line
  })

const colors: Partial<Record<string, number>> = { Debug: 34, Info: 32, Warn: 33, Error: 31, Fatal: 31 }

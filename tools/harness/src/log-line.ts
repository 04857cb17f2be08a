/** A line of the proxy's log for programs, identified by its event code. */
export interface LogLine {
  readonly message: string
  readonly level: string
  /** One of the event codes in docs/operations.md. */
  readonly event: string | undefined
  /** All fields but message, level and timestamp. */
  readonly annotations: Readonly<Record<string, unknown>>
}

/** Parses a line of JSON; `undefined` if it is not the proxy's. */
export const parseLogLine = (text: string): LogLine | undefined => {
  try {
    const { message, level, timestamp: _, ...annotations } = JSON.parse(text)
    if (message === undefined || level === undefined) return undefined
    const { event } = annotations
    return {
      message: [message].flat().map(String).join(" "),
      level,
      event: typeof event === "string" ? event : undefined,
      annotations,
    }
  } catch {
    return undefined
  }
}

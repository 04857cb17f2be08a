/** Parses a JSON line of the proxy's log; `undefined` for any other line. */
export const parseLogLine = (text: string) => {
  try {
    const { message, level, timestamp: _, ...annotations } = JSON.parse(text)
    if (message === undefined || level === undefined) return undefined
    const { event } = annotations
    return {
      message: [message].flat().map(String).join(" "),
      level: String(level),
      /** One of the event codes in docs/operations.md. */
      event: typeof event === "string" ? event : undefined,
      /** All fields except message, level and timestamp. */
      annotations: annotations as Readonly<Record<string, unknown>>,
    }
  } catch {
    return undefined
  }
}

/** Times are compared as strings of one form, `2025-10-19T01:15:22.470210Z`, because a Date would lose microseconds. */
const CANONICAL_LENGTH = 27

const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d*)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i

/** Converts the time in a query parameter to the canonical form; undefined if it is invalid. */
export function instantParameter(value: string): string | undefined {
  const match = DATE_TIME.exec(value.trim())
  if (match === null) return undefined
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone = "Z"] = match
  const offset = zone.toUpperCase() === "Z" ? "Z" : withColon(zone)
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${offset}`)
  if (Number.isNaN(time)) return undefined
  return `${new Date(time).toISOString().slice(0, 19)}.${fraction.padEnd(6, "0")}Z`
}

/** Converts the time in a row to the canonical form; undefined if it is missing or invalid. */
export function instantText(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined
  return value.length === CANONICAL_LENGTH && value.endsWith("Z") ? value : instantParameter(value)
}

function withColon(zone: string): string {
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0")
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2)}`
}

/** Adds a number of seconds to a time. */
export function secondsLater(instant: string, seconds: number): string {
  const time = Date.parse(`${instant.slice(0, 19)}Z`)
  return `${new Date(time + seconds * 1000).toISOString().slice(0, 19)}${instant.slice(19)}`
}

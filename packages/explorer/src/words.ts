/** Counts, times and values for people. Pure. */

const whole = new Intl.NumberFormat("en")

export const count = (of: number, singular: string, plural: string): string =>
  `${whole.format(of)} ${of === 1 ? singular : plural}`

/** A time span, from milliseconds. */
export const span = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

/** Characters of a value that a list shows; the rest is beside the entry. */
const longest = 60
/** A value of any type, cut so that a list stays legible. */
export const shortValue = (of: unknown): string => {
  const whole = value(of)
  return whole.length <= longest ? whole : `${whole.slice(0, longest)}…`
}

export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** A value of any type, on one line. A text is in quotes if it would not be seen, or not as it is. */
export const value = (of: unknown): string =>
  typeof of === "string" && of !== "" && of === of.trim() ? of : (JSON.stringify(of) ?? "none")

/** Formats counts, time spans and values. Pure. */

const integers = new Intl.NumberFormat("en")

export const count = (of: number, singular: string, plural: string): string =>
  `${integers.format(of)} ${of === 1 ? singular : plural}`

/** Formats a time span given in milliseconds. */
export const span = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

/** Characters of a value that a list shows; the entry's panel shows all of it. */
const maxLength = 60
/** Formats a value of any type, cut so that a list stays legible. */
export const shortValue = (of: unknown): string => {
  const whole = value(of)
  return whole.length <= maxLength ? whole : `${whole.slice(0, maxLength)}…`
}

/** Capitalizes a text, unless it begins with a name such as `cache.path`. */
export const sentence = (text: string): string =>
  text.replace(/^[a-z](?=[a-z]*([ ,;:]|$))/, (first) => first.toUpperCase())

/** Formats a value of any type on one line. A string is quoted if it is empty or has whitespace at either end. */
export const value = (of: unknown): string =>
  typeof of === "string" && of !== "" && of === of.trim() ? of : (JSON.stringify(of) ?? "none")

/** Waldur's timestamps. */

const iso = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/
/** In characters; a time with microseconds and a zone has 32. */
const longest = 64

/**
 * Parses a Waldur timestamp to microseconds since 1970. A Date would lose the last three digits, and the texts do not
 * compare because Waldur omits a fraction of 0.
 *
 * @returns `undefined` unless it is an ISO 8601 time with a zone; without one, machines could read it differently
 */
export const microsecondsOf = (text: string): number | undefined => {
  const [, seconds, fraction = "", zone] = (text.length <= longest ? iso.exec(text) : null) ?? []
  const microseconds = Date.parse(`${seconds}${zone}`) * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"))
  return Number.isNaN(microseconds) ? undefined : microseconds
}

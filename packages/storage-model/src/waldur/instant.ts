const iso = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/
/** In characters; a time with microseconds and a zone has 32. */
const longest = 64

/**
 * A time of Waldur's in microseconds since 1970: a Date would lose the last three digits, and Waldur writes no fraction
 * where it is 0, so that the texts do not compare.
 *
 * @returns `undefined` for what is no ISO 8601 time with its zone; another machine could read it differently
 */
export const microsecondsOf = (text: string): number | undefined => {
  const [, seconds, fraction = "", zone] = (text.length <= longest ? iso.exec(text) : null) ?? []
  const microseconds = Date.parse(`${seconds}${zone}`) * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"))
  return Number.isNaN(microseconds) ? undefined : microseconds
}

/**
 * A string without white space around it, and without one pair of quotes around the whole or white space directly inside
 * them, as editors, `docker --env-file` and templates leave them. Quotes stay if the same quote occurs inside, because then
 * they may not be a pair.
 */
export const unwrapped = (text: string): string => {
  const trimmed = text.trim()
  const quote = trimmed[0]
  const isQuoted =
    trimmed.length >= 2 && (quote === '"' || quote === "'") && trimmed.indexOf(quote, 1) === trimmed.length - 1
  return isQuoted ? trimmed.slice(1, -1).trim() : trimmed
}

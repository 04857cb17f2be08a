/** Of a secret this much is told apart; a shorter piece is left where a text was cut in the middle of it. */
const telling = 8

/**
 * The text with each word that holds one of the secrets, or its start where the text was cut, masked from there on.
 * For texts that an upstream wrote: error pages repeat headers and forms.
 */
export const withoutSecrets = (text: string, secrets: ReadonlyArray<string>): string => {
  const given = secrets.filter((secret) => secret !== "")
  if (given.length === 0) return text
  const starts = given.map((secret) => secret.slice(0, telling))
  // Whole ones first: a secret may hold white space.
  return given
    .reduce((rest, secret) => rest.replaceAll(secret, "***"), text)
    .replace(/\S+/g, (word) => {
      const found = starts.map((start) => word.indexOf(start)).filter((at) => at >= 0)
      return found.length === 0 ? word : `${word.slice(0, Math.min(...found))}***`
    })
}

/** The credentials in headers: what follows the scheme in `Authorization` (RFC 9110 section 11.6.2), and cookies. */
export const secretsOf = (headers: Readonly<Record<string, string>> | undefined): ReadonlyArray<string> =>
  Object.entries(headers ?? {}).flatMap(([name, value]) => {
    const key = name.toLowerCase()
    if (key === "authorization" || key === "proxy-authorization") return [value.replace(/^\S+\s+/, "").trim()]
    return key === "cookie" || key === "x-api-key" ? [value] : []
  })

import { mask, masker, maskValue, secretsIn } from "@cscs/proxy-server"

/** A copy of a value in which no string holds a secret. */
export interface Scrub {
  <A>(value: A): A
  /** The same for one text. */
  readonly text: (text: string) => string
}

/** What else looks like a secret, whoever's it is: the token of a caller is in no setting. */
const shapes: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b(Bearer|Basic|Negotiate|DPoP)\s+[\w.~+/=-]+/gi, `$1 ${mask}`],
  [/\b(Token)\s+[\w.~+/=-]{16,}/gi, `$1 ${mask}`],
  // A JWT begins with an object in base64url.
  [/\beyJ[\w-]{6,}[\w.-]*/g, mask],
  [/([?&][^\s=&#"'<>?]{1,100}=)[^\s&#"'<>]*/g, `$1${mask}`],
  // Waldur's tokens, and digests of secrets.
  [/(?<![0-9a-f])[0-9a-f]{40,}/gi, mask],
]

/** Characters of a text that leave the house: no error of use is longer. */
const longest = 16_384

/**
 * Masks the secrets of the settings and all that looks like a secret. For what leaves the house; the log keeps the query
 * parameters and the digests.
 */
export const scrubberOf = (settings: unknown): Scrub => {
  const masked = masker(secretsIn(settings))
  const text = (given: string) =>
    shapes.reduce(
      (rest, [shape, instead]) => rest.replace(shape, instead),
      masked(given.length > longest ? `${given.slice(0, longest)}…` : given),
    )
  return Object.assign(<A>(value: A) => maskValue(value, text), { text })
}

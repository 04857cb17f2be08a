/** Removes secrets from telemetry. */
import { mask, masker, maskValue, secretsIn } from "@cscs/proxy-server"

/** Returns a copy of a value in which no string contains a secret. */
export interface Scrub {
  <A>(value: A): A
  /** The same for one string. */
  readonly text: (text: string) => string
}

/** Patterns of other secrets: a caller's token, for example, is in no setting. */
const shapes: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b(Bearer|Basic|Negotiate|DPoP)\s+[\w.~+/=-]+/gi, `$1 ${mask}`],
  [/\b(Token)\s+[\w.~+/=-]{16,}/gi, `$1 ${mask}`],
  // A JWT begins with an object in base64url.
  [/\beyJ[\w-]{6,}[\w.-]*/g, mask],
  [/([?&][^\s=&#"'<>?]{1,100}=)[^\s&#"'<>]*/g, `$1${mask}`],
  // Waldur's tokens, and digests of secrets.
  [/(?<![0-9a-f])[0-9a-f]{40,}/gi, mask],
]

/** Maximum length of an exported string in characters. No useful error message is longer. */
const longest = 16_384

/**
 * Masks the secrets of the settings and everything that looks like a secret. For exported telemetry only; the log keeps
 * query parameters and digests.
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

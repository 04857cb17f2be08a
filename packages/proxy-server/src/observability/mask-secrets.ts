import { proxyForDisplay } from "@cscs/http-transport"

const secretName = /(secret|token|password)$/i
const proxyName = /proxy$/i
const mask = "***"

/**
 * A copy in which the value of every key that ends in secret, token or password is masked, at any depth, and of one that
 * ends in proxy the user and password of its URL. What is null stays null: a mask would claim a secret that is not there.
 */
export const maskSecrets = <A>(value: A): A => masked(value) as A

const masked = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (secretName.test(key) && inner !== null && inner !== undefined) return [key, mask]
      return [key, proxyName.test(key) && typeof inner === "string" ? proxyForDisplay(inner) : masked(inner)]
    }),
  )
}

// A value that is an object or a list ends somewhere behind: all that follows goes with it.
const secretInText = /("[^"\\]*(?:secret|token|password)":)(?!null)(?:"(?:[^"\\]|\\.)*"?|[{[].*|[^,}\]]*)/gis

/** The same for what a finding shows: a long value is JSON as a text there, cut off somewhere. */
export const maskFound = (found: unknown): unknown =>
  typeof found === "string" ? found.replace(secretInText, `$1"${mask}"`) : maskSecrets(found)

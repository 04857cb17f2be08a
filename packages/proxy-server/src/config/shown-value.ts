/** How settings appear in logs and errors: secrets are masked, by their key and by their form. */
import { proxyForDisplay } from "@cscs/http-transport"
import { Duration, Redacted } from "effect"
import { mask, maskText, maskValue } from "../observability/mask-secrets.ts"
import type { SettingKey } from "./setting-key.ts"
import { proxyUrl } from "./setting-types.ts"

const secret = `${mask} (a secret)`
/** Maximum characters of a shown value. */
const longestShown = 200

/** A setting's value in effect, as the log may show it: secrets and logins in URLs are masked. */
export const shownValue = (value: unknown, key: SettingKey<unknown>): string => {
  if (value === undefined) return "nothing"
  if (key.isSecret || Redacted.isRedacted(value)) return secret
  if (Duration.isDuration(value)) return `${Duration.toSeconds(value)}s`
  // An `@` in any other text need not end a login: an agent's name can contain a mail address.
  const text = key.type === proxyUrl ? proxyForDisplay : maskText
  return shortened(JSON.stringify(maskValue(value, text)))
}

/**
 * A refused value as an error may show it. It may be a secret under the wrong key, so what looks like one is masked: all up
 * to an `@`, a query or fragment of a URL, long words, and words of six characters or more that mix letters and digits.
 * Numbers and other words are shown, because an error must help; of a list or mapping only the kind.
 */
export const foundValue = (value: unknown, key?: SettingKey<unknown>): string => {
  if (value === undefined) return "nothing"
  if (key?.isSecret) return typeof value === "number" ? `${secret}, read as a number: put it in quotes` : secret
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list"
  if (typeof value === "object" && value !== null) return "a mapping"
  return typeof value === "string" ? JSON.stringify(withoutSecrets(value)) : String(value)
}

/** A name from the configuration, for paths in errors and warnings. */
export const shownName = (name: string): string =>
  shortened(maskText(name).replace(/[^\s.,:/_-]{16,}/g, (word) => (isMixed(word) ? mask : word)))

const withoutSecrets = (text: string): string =>
  shortened(
    proxyForDisplay(text)
      .replace(/[?#].*$/s, (rest) => `${rest[0]}${mask}`)
      .replace(/[^\s.,:;/()[\]{}"'<>|?#@]+/g, (word) => (mayBeSecret(word) ? mask : word)),
  )

/** Maximum length of a word that is shown; the longest enumerated value, "introspection", has 13. */
const longestWord = 16

// "socks5h" and "fs1" are names; "hunter2" may be a password.
const mayBeSecret = (word: string) =>
  word !== mask && (word.length > longestWord || (word.length > 5 && isMixed(word) && !/^socks(4a?|5h?)$/i.test(word)))

const isMixed = (word: string) => /\d/.test(word) && /[^\d+-]/.test(word)

const shortened = (text: string) => (text.length > longestShown ? `${text.slice(0, longestShown)}…` : text)

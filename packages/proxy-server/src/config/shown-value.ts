/** How values of settings appear in logs and errors: no value that could be a secret is shown. */
import { proxyForDisplay } from "@cscs/http-transport"
import { Duration, Redacted } from "effect"
import { mask, maskText, maskValue } from "../observability/mask-secrets.ts"
import type { SettingKey } from "./setting-key.ts"

const secret = `${mask} (a secret)`
/** Maximum characters of a shown value. */
const longestShown = 200

/** A setting's value in effect, as the log may show it: secrets and logins in URLs are masked. */
export const shownValue = (value: unknown, key: SettingKey<unknown>): string => {
  if (value === undefined) return "nothing"
  if (key.isSecret || Redacted.isRedacted(value)) return secret
  if (Duration.isDuration(value)) return `${Duration.toSeconds(value)}s`
  return shortened(JSON.stringify(maskValue(value, shownText)) ?? String(value))
}

const shownText = (text: string) => proxyForDisplay(maskText(text))

/**
 * A refused value as an error may show it. A secret under the wrong key must not reach a log, so anything that could be
 * one is masked: a login, query or fragment of a URL, words that mix letters and digits, long words, and everything
 * that is not a single value.
 */
export const foundValue = (value: unknown, key?: SettingKey<unknown>): string => {
  if (value === undefined) return "nothing"
  if (key?.isSecret) return secret
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list"
  if (typeof value === "object" && value !== null) return "a mapping"
  return typeof value === "string" ? JSON.stringify(withoutSecrets(value)) : String(value)
}

/** A name from the configuration, for paths in errors and warnings. */
export const shownName = (name: string): string =>
  shortened(name.replace(/[^\s.,:/_-]{16,}/g, (word) => (isMixed(word) ? mask : word)))

/** Masks everything in a text that could be a secret. */
const withoutSecrets = (text: string): string =>
  shortened(
    proxyForDisplay(text)
      .replace(/[?#].*$/s, (rest) => `${rest[0]}${mask}`)
      .replace(/[^\s.,:;/()[\]{}"'<>|?#@]+/g, (word) => (isTelling(word) ? mask : word)),
  )

/** Maximum length of a word that is certainly no password: the longest enumerated value, "introspection", has 13. */
const longestWord = 16

// "socks5h" and "fs1" are names; "hunter2" may be a password.
const isTelling = (word: string) =>
  word !== mask && (word.length > longestWord || (word.length > 5 && isMixed(word) && !/^socks(4a?|5h?)$/i.test(word)))

const isMixed = (word: string) => /\d/.test(word) && /[^\d+-]/.test(word)

const shortened = (text: string) => (text.length > longestShown ? `${text.slice(0, longestShown)}…` : text)

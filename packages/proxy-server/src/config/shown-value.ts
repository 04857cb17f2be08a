import { Duration, Redacted } from "effect"
import { maskValue } from "../observability/mask-secrets.ts"
import type { SettingKey } from "./setting-keys.ts"

const mask = "***"
const secret = "*** (a secret)"
/** The most characters of a value that are shown. */
const longestShown = 200

/** A setting's value in effect, as the log may show it: a secret masked, and a login in a URL. */
export const shownValue = (value: unknown, key: SettingKey<unknown>): string => {
  if (value === undefined) return "nothing"
  if (key.isSecret || Redacted.isRedacted(value)) return secret
  if (Duration.isDuration(value)) return `${Duration.toSeconds(value)}s`
  return shortened(JSON.stringify(withoutLogins(maskValue(value))) ?? String(value))
}

/**
 * A refused value as an error may show it. Whoever pastes a secret under the wrong key must not find it in a log, so what
 * could be one is masked: a login, query or fragment of a URL, words of letters and digits mixed, long words, and all that
 * is no single value.
 */
export const foundValue = (value: unknown, key?: SettingKey<unknown>): string => {
  if (value === undefined) return "nothing"
  if (key?.isSecret) return secret
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list"
  if (typeof value === "object" && value !== null) return "a mapping"
  return typeof value === "string" ? JSON.stringify(escapeControls(value)) : String(value)
}

/** A name that the configuration gives to something, for paths in errors and warnings. */
export const shownName = (name: string): string =>
  shortened(name.replace(/[^\s.,:/_-]{16,}/g, (word) => (isMixed(word) ? mask : word)))

/** A text with what could be a secret masked. */
const escapeControls = (text: string): string =>
  shortened(
    withoutLogin(text)
      .replace(/[?#].*$/s, (rest) => `${rest[0]}${mask}`)
      .replace(/[^\s.,:;/()[\]{}"'<>|?#@]+/g, (word) => (isTelling(word) ? mask : word)),
  )

/** Characters of a word that is surely no password: the longest value that a setting can have, "introspection", has 13. */
const longestWord = 16

// "socks5h" and "fs1" are names; "hunter2" may be a password.
const isTelling = (word: string) =>
  word !== mask && (word.length > longestWord || (word.length > 5 && isMixed(word) && !/^socks(4a?|5h?)$/i.test(word)))

const isMixed = (word: string) => /\d/.test(word) && /[^\d+-]/.test(word)

/** Without user and password of a URL, also of one that lacks its scheme or is broken otherwise. */
const withoutLogin = (text: string) => text.replace(/^([a-z][a-z\d+.-]*:(?=\/\/))?(\/\/)?.*@/is, `$1$2${mask}@`)

const withoutLogins = (value: unknown): unknown => {
  if (typeof value === "string") return withoutLogin(value)
  if (Array.isArray(value)) return value.map(withoutLogins)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutLogins(inner)]))
}

const shortened = (text: string) => (text.length > longestShown ? `${text.slice(0, longestShown)}…` : text)

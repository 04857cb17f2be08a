import { Duration, Redacted } from "effect"
import type { SettingKey } from "./setting-keys.ts"

/**
 * A setting's value as errors and the log may show it: a secret masked, and so a password in a URL, also in one that
 * lacks its scheme or is broken otherwise.
 */
export const shownValue = (value: unknown, key: SettingKey<unknown>): string => {
  if (value === undefined) return "nothing"
  if (key.isSecret || Redacted.isRedacted(value)) return "*** (a secret)"
  if (Duration.isDuration(value)) return `${Duration.toSeconds(value)}s`
  const shown =
    typeof value === "string" ? value.replace(/^([a-z][a-z\d+.-]*:(?=\/\/))?(\/\/)?.*@/is, "$1$2***@") : value
  const text = JSON.stringify(shown) ?? String(shown)
  const safe = typeof value === "string" ? text : text.replace(/"[^"]*@/g, '"***@')
  return safe.length > 200 ? `${safe.slice(0, 200)}…` : safe
}

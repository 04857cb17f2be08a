/** Replaces secrets at runtime, without a restart. */
import { RotatingSecret, type Secret, secretNow } from "@cscs/http-transport"
import { Redacted } from "effect"
import { loginIn } from "../observability/mask-secrets.ts"
import type { ProxySettings } from "./settings.ts"

/** Settings whose secrets can be replaced while the process runs. */
export interface RotatingSettings {
  /** The settings in use: their secrets rotate, all else stays as it was at start. */
  readonly settings: ProxySettings
  /** Adopts the secrets of a later read of the configuration. Returns keys, never values. */
  readonly adopt: (later: ProxySettings) => Adopted
  /** Records that a later read was refused: readiness reports it until one is adopted. */
  readonly refuse: (keys: ReadonlyArray<string>) => void
}

/** The result of a later read of the configuration, by the settings' keys. */
export interface Adopted {
  /** Secrets that changed and take effect with the next call. */
  readonly secrets: ReadonlyArray<string>
  /** Settings that changed and take effect after a restart. */
  readonly needRestart: ReadonlyArray<string>
}

/** The secrets that rotate, by key. */
const rotatingKeys: Readonly<Record<string, (settings: ProxySettings) => Secret | undefined>> = {
  waldur_api_token: ({ waldur }) => waldur.token,
  "hpc_user_api.client_secret": ({ hpcUserApi }) => hpcUserApi?.clientSecret,
  "auth.keycloak_client_secret": ({ auth }) => auth.introspection?.clientSecret,
  "cache.url": ({ cache }) => cache.url,
}

/** Settings that take effect after a restart, and of whose values `effective` has no digest. */
const withoutDigest: Readonly<Record<string, (settings: ProxySettings) => unknown>> = {
  waldur_ca_file: ({ waldur }) => waldur.tls.ca,
  "hpc_user_api.ca_file": ({ hpcUserApi }) => hpcUserApi?.tls.ca,
  "auth.ca_file": ({ auth }) => auth.tls.ca,
  "sentry.dsn": ({ telemetry: { sentry } }) => (sentry === undefined ? undefined : Redacted.value(sentry.dsn)),
}

/** The log level has its own threshold, outside of the settings. */
const appliedAtOnce = new Set(["log_level", "debug"])

/** Makes the secrets of settings rotate. */
export const rotatingSettings = (first: ProxySettings): RotatingSettings => {
  let refused: ReadonlyArray<string> = []
  const { waldur, hpcUserApi, auth, cache } = first
  const rotating = (secret: Secret) => new RotatingSecret(Redacted.make(secretNow(secret)), loginIn)
  const settings: ProxySettings = {
    ...first,
    waldur: { ...waldur, token: rotating(waldur.token) },
    hpcUserApi:
      hpcUserApi === undefined ? undefined : { ...hpcUserApi, clientSecret: rotating(hpcUserApi.clientSecret) },
    auth: {
      ...auth,
      introspection:
        auth.introspection === undefined
          ? undefined
          : { ...auth.introspection, clientSecret: rotating(auth.introspection.clientSecret) },
    },
    cache: { ...cache, url: cache.url === undefined ? undefined : rotating(cache.url) },
    get warnings() {
      return refused.length === 0
        ? first.warnings
        : [
            ...first.warnings,
            `the configuration was read again and refused (${refused.join(", ")}): the earlier values stay in use; the log's configuration-refused has the reason`,
          ]
    },
  }
  return {
    settings,
    refuse: (keys) => {
      refused = keys
    },
    adopt: (later) => {
      refused = []
      const secrets: Array<string> = []
      const needRestart: Array<string> = []
      for (const [key, secretOf] of Object.entries(rotatingKeys)) {
        const [current, next] = [secretOf(settings), secretOf(later)]
        if (!(current instanceof RotatingSecret) || next === undefined) {
          if (current !== undefined || next !== undefined) needRestart.push(key)
          continue
        }
        const value = secretNow(next)
        if (value === current.current) continue
        if (key === "cache.url" && !isSameButLogin(value, current.current)) needRestart.push(key)
        else {
          current.replace(Redacted.make(value))
          secrets.push(key)
        }
      }
      const before = new Map(first.effective.map((setting) => [setting.path, setting]))
      for (const { path, value, digest } of later.effective) {
        if (appliedAtOnce.has(path)) continue
        const earlier = before.get(path)
        if (earlier?.value !== value || earlier.digest !== digest) needRestart.push(path)
      }
      for (const [key, value] of Object.entries(withoutDigest)) {
        if (value(first) !== value(later)) needRestart.push(key)
      }
      return { secrets, needRestart: [...new Set(needRestart)] }
    },
  }
}

/** Whether two Valkey URLs differ only in their login, and both or neither have one: the connection can stay. */
const isSameButLogin = (one: string, other: string): boolean => {
  const [a, b] = [new URL(one), new URL(other)]
  const hasLogin = (url: URL) => url.username !== "" || url.password !== ""
  if (hasLogin(a) !== hasLogin(b)) return false
  a.password = b.password = ""
  a.username = b.username = ""
  return a.href === b.href
}

/** Loads the proxy's configuration from its sources. */
import { Effect, Result } from "effect"
import { ConfigurationInvalid } from "../config-sources/configuration-invalid.ts"
import { type ConfigurationSources, readSources } from "../config-sources/sources.ts"
import { assembleSettings } from "./assemble-settings.ts"
import { readCertificates, readSettings } from "./read-settings.ts"
import { proxySettingsTable } from "./setting-keys.ts"
import type { ProxySettings } from "./settings.ts"

/**
 * Reads the configuration: the environment, then `.env`, then the YAML file, then defaults, key by key. Fails with all
 * problems at once.
 */
export const loadSettings = Effect.fn("loadSettings")(function* (
  from: ConfigurationSources,
): Effect.fn.Return<ProxySettings, ConfigurationInvalid> {
  const sources = yield* readSources(from)
  const { document } = sources
  const read = yield* readSettings(proxySettingsTable, sources)
  const { values, sourceOf } = read
  const certificates = yield* Effect.all(
    {
      waldur: readCertificates("waldur_ca_file", values.waldurCaFile, sourceOf),
      hpcUserApi: readCertificates("hpc_user_api.ca_file", values.hpcUserCaFile, sourceOf),
      auth: readCertificates("auth.ca_file", values.authCaFile, sourceOf),
    },
    { mode: "result" },
  )
  const problems = [
    ...read.problems,
    ...Object.values(certificates).flatMap((one) => (Result.isFailure(one) ? [one.failure] : [])),
  ]
  const assembled = assembleSettings(values, {
    isIncomplete: problems.length > 0,
    has: read.has,
    sourceOf,
    hasHpcUserSection: Object.hasOwn(document, "hpc_user_api"),
    backendSettings: document.backend_settings,
    variables: sources.variables,
    certificates: {
      waldur: Result.getOrUndefined(certificates.waldur),
      hpcUserApi: Result.getOrUndefined(certificates.hpcUserApi),
      auth: Result.getOrUndefined(certificates.auth),
    },
  })
  problems.push(...assembled.problems)
  if (assembled.settings === undefined || problems.length > 0) {
    return yield* new ConfigurationInvalid({
      problems: problems.map((problem) => ({ ...problem, found: read.withoutSecrets(problem.found) })),
    })
  }
  const { secretFiles, ignoredKeys, effective, warnings } = read
  return {
    ...assembled.settings,
    secretFiles,
    ignoredKeys,
    warnings: [...warnings, ...assembled.settings.warnings],
    effective,
  }
})

/**
 * The library of settings, for other programs of this workspace: a table of keys is read from environment, `.env` and YAML file
 * in the proxy's manner, all problems are reported at once, and no secret is shown.
 */
export { ConfigurationInvalid } from "../config-sources/configuration-invalid.ts"
export { readSources } from "../config-sources/sources.ts"
export { masker } from "../observability/mask-secrets.ts"
export { readCertificates, readSettings } from "./read-settings.ts"
export { settingsTable } from "./reference.ts"
export { key, keyWithDefault } from "./setting-key.ts"
export * as types from "./setting-types.ts"

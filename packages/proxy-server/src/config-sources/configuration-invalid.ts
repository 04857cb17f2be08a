/** The error of an invalid configuration. */
import { Schema } from "effect"

/** One problem of the configuration. */
export const ConfigurationProblem = Schema.Struct({
  /** The key's path in the YAML file, or the file. */
  path: Schema.String,
  /**
   * The source of the value: `environment variable WALDUR_API_URL`, `WALDUR_API_URL in .env`, a file's path, or `not
   * given`.
   */
  source: Schema.String,
  /** The value; a secret is masked. */
  found: Schema.String,
  /** The allowed values; for a name that is probably misspelt, the nearest one. */
  allowed: Schema.String,
})
export type ConfigurationProblem = typeof ConfigurationProblem.Type

/** All problems of the configuration at once. The proxy does not start with them. */
export class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>()("ConfigurationInvalid", {
  problems: Schema.Array(ConfigurationProblem),
}) {
  override get message() {
    const lines = this.problems.map(
      ({ path, source, found, allowed }) => `  ${path} (${source}): found ${found}; expected ${allowed}`,
    )
    return [`The configuration has ${lines.length === 1 ? "a problem" : `${lines.length} problems`}:`, ...lines].join(
      "\n",
    )
  }
}

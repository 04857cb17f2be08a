import { Schema } from "effect"

/** One thing that is wrong with the configuration. */
export const ConfigurationProblem = Schema.Struct({
  /** The key's path in the YAML file, or the file. */
  path: Schema.String,
  /** Where the value came from: `environment variable WALDUR_API_URL`, `WALDUR_API_URL in .env`, a file's path, or `not given`. */
  source: Schema.String,
  /** The value, masked where it is a secret. */
  found: Schema.String,
  /** What is allowed, and where a name is likely misspelt the nearest one. */
  allowed: Schema.String,
})
export type ConfigurationProblem = typeof ConfigurationProblem.Type

/** All that is wrong with the configuration, at once. The proxy does not start with it. */
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

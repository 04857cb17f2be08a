import { loadSettings, masker, type ProxySettings, secretsIn } from "@cscs/proxy-server"
import { Effect, Layer, Logger, Option, References } from "effect"
import { Flag } from "effect/cli"
import { jsonLine, type MaskText, terminalLine } from "./log-lines.ts"
import { makeLogWriter } from "./log-writer.ts"
import { trustAuthorities } from "./trusted-authorities.ts"

/** `--config FILE`, as every command takes it. */
export const configFlag = Flag.String("config").pipe(
  Flag.withDescription("The YAML file; else WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH; else the environment alone"),
  Flag.optional,
)

/** The configuration of this process, which from then on trusts the authorities that its environment names. */
export const settingsFrom = (config: Option.Option<string>) =>
  Effect.map(
    loadSettings({
      ...(Option.isSome(config) ? { configPath: config.value } : {}),
      environment: process.env,
      workingDirectory: process.cwd(),
    }),
    (settings): ProxySettings => {
      const { added, warnings } = trustAuthorities(process.env)
      const authorities = { path: "SSL_CERT_FILE", value: `${added} more authorities`, source: "environment" }
      return {
        ...settings,
        effective: added === 0 ? settings.effective : [...settings.effective, authorities],
        warnings: [...settings.warnings, ...warnings],
      }
    },
  )

/**
 * Logs for people on a terminal, else as JSON lines; on standard error, where a command's own output is not. No line holds
 * a secret of the settings.
 */
export const logging = (settings: ProxySettings) =>
  Layer.merge(
    Logger.layer([standardError(masker(secretsIn(settings)))]),
    Layer.succeed(References.MinimumLogLevel, levels[settings.logLevel]),
  )

const standardError = Effect.fnUntraced(function* (text: MaskText) {
  const { stderr } = process
  const line = stderr.isTTY ? terminalLine(stderr.hasColors(), text) : jsonLine(text)
  const write = yield* makeLogWriter(stderr, (lines) =>
    JSON.stringify({
      message: "Log lines were dropped",
      level: "WARN",
      timestamp: new Date().toISOString(),
      annotations: { lines },
    }),
  )
  return Logger.map(line, write)
})

const levels = { debug: "Debug", info: "Info", warning: "Warn", error: "Error" } as const

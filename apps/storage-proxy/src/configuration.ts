import { type LogEvent, loadSettings, masker, type ProxySettings, secretsIn } from "@cscs/proxy-server"
import { Effect, Layer, Logger, Option, References } from "effect"
import { Flag } from "effect/cli"
import { jsonLine, type MaskText, terminalLine } from "./log-lines.ts"
import { makeLogWriter } from "./log-writer.ts"

/** `--config FILE`, as every command takes it. */
export const configFlag = Flag.String("config").pipe(
  Flag.withDescription("The YAML file; else WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH; else the environment alone"),
  Flag.optional,
)

/** The configuration of this process. */
export const settingsFrom = (config: Option.Option<string>) =>
  loadSettings({
    ...(Option.isSome(config) ? { configPath: config.value } : {}),
    environment: process.env,
    workingDirectory: process.cwd(),
  })

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
      annotations: { event: "log-lines-dropped" satisfies LogEvent, lines },
    }),
  )
  return Logger.map(line, write)
})

const levels = { debug: "Debug", info: "Info", warning: "Warn", error: "Error" } as const

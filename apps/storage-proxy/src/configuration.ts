/** The configuration of a command: its flag, its settings, its log level. */
import { type LogEvent, LogThreshold, loadSettings, masker, type ProxySettings, secretsIn } from "@cscs/proxy-server"
import { Effect, Layer, Logger, LogLevel, Option, References } from "effect"
import { Flag, GlobalFlag } from "effect/cli"
import { jsonLine, type MaskText, terminalLine } from "./log-lines.ts"
import { makeLogWriter } from "./log-writer.ts"
import { trustAuthorities } from "./trusted-authorities.ts"

/** `--config FILE`, common to all commands. */
export const configFlag = Flag.Path("config").pipe(
  Flag.withDescription("The YAML file (default: WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH, else only the environment)"),
  Flag.optional,
)

/** Loads the configuration, and makes this process trust the authorities that its environment names. */
export const settingsFrom = (config: Option.Option<string>) =>
  Effect.map(
    loadSettings({
      ...(Option.isSome(config) ? { configPath: config.value } : {}),
      environment: process.env,
      workingDirectory: process.cwd(),
    }),
    (settings): ProxySettings => {
      const { added, warnings } = trustAuthorities(process.env)
      const authorities = {
        path: "SSL_CERT_FILE",
        value: `${added} more ${added === 1 ? "authority" : "authorities"}`,
        source: "environment",
        isDefault: false,
      }
      return {
        ...settings,
        effective: added === 0 ? settings.effective : [...settings.effective, authorities],
        warnings: [...settings.warnings, ...warnings],
      }
    },
  )

/** The lowest level that is logged: `--log-level`, else the configuration. `serve` can change it at run time. */
export const logThreshold = Effect.fnUntraced(function* (settings: ProxySettings) {
  const flag = yield* GlobalFlag.LogLevel
  let level = Option.getOrElse(flag, () => levels[settings.logLevel])
  return {
    now: () => level,
    /** Has no effect if the flag is given. */
    set: (next: ProxySettings["logLevel"]) => {
      if (Option.isNone(flag)) level = levels[next]
    },
  }
})

/**
 * Logs to standard error: human-readable on a terminal, else as JSON lines. No line contains a secret of the settings.
 *
 * @param threshold the lowest level that is logged, evaluated for each line; default `logThreshold`
 */
export const logging = (settings: ProxySettings, threshold?: () => LogLevel.LogLevel) =>
  Layer.unwrap(
    Effect.map(
      threshold === undefined ? Effect.map(logThreshold(settings), ({ now }) => now) : Effect.succeed(threshold),
      (least) =>
        Layer.mergeAll(
          Logger.layer([Effect.map(standardError(masker(secretsIn(settings))), (logger) => fromLevel(least, logger))]),
          Layer.succeed(LogThreshold, least),
          // The threshold decides; this minimum cannot change at run time.
          Layer.succeed(References.MinimumLogLevel, "All" as const),
        ),
    ),
  )

/** A logger that drops everything below the threshold. */
export const fromLevel = <A>(
  threshold: () => LogLevel.LogLevel,
  logger: Logger.Logger<unknown, A>,
): Logger.Logger<unknown, A | undefined> =>
  Logger.make((options) => (LogLevel.isGreaterThan(threshold(), options.logLevel) ? undefined : logger.log(options)))

const standardError = Effect.fnUntraced(function* (text: MaskText) {
  const { stderr } = process
  const line = stderr.isTTY ? terminalLine(stderr.hasColors(), text) : jsonLine(text)
  const write = yield* makeLogWriter(stderr, (lines) =>
    JSON.stringify({
      message: "Log lines were dropped",
      level: "WARN",
      timestamp: new Date().toISOString(),
      event: "log-lines-dropped" satisfies LogEvent,
      lines,
    }),
  )
  return Logger.map(line, write)
})

const levels = { debug: "Debug", info: "Info", warning: "Warn", error: "Error" } as const

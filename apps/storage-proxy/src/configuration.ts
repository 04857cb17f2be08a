import { loadSettings, type ProxySettings } from "@cscs/proxy-server"
import { Effect, Layer, Logger, Option, References } from "effect"
import { Flag } from "effect/cli"
import { jsonLine, terminalLine } from "./log-lines.ts"
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
 * Logs for people on a terminal, else as JSON lines; on standard error, where a command's own output is not.
 *
 * @param level the least that is logged
 */
export const logging = (level: ProxySettings["logLevel"]) =>
  Layer.merge(Logger.layer([standardError]), Layer.succeed(References.MinimumLogLevel, levels[level]))

const standardError = Effect.gen(function* () {
  const { stderr } = process
  const line = stderr.isTTY ? terminalLine(stderr.hasColors()) : jsonLine
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

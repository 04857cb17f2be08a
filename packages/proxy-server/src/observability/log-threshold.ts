import { Context, type LogLevel } from "effect"

/**
 * The least that is logged, read for each line, since it can change while the process runs. Default: all that
 * `MinimumLogLevel` lets through, which is fixed for as long as a fiber lives.
 */
export const LogThreshold = Context.Reference<() => LogLevel.LogLevel>("@cscs/proxy-server/LogThreshold", {
  defaultValue: () => () => "All",
})

import { Context, type LogLevel } from "effect"

/**
 * The lowest level that is logged, read for each line, because it can change at runtime. Default: all that
 * `MinimumLogLevel` lets through, which is fixed for the lifetime of a fiber.
 */
export const LogThreshold = Context.Reference<() => LogLevel.LogLevel>("@cscs/proxy-server/LogThreshold", {
  defaultValue: () => () => "All",
})

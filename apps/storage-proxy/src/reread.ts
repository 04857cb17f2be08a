/** Reads rotating settings again: at SIGHUP, and when a secret's file changes. */
import { closeSync, openSync } from "node:fs"
import { stat } from "node:fs/promises"
import {
  type ConfigurationInvalid,
  logEvent,
  type ProxySettings,
  type RotatingSettings,
  Snapshots,
} from "@cscs/proxy-server"
import { Effect, Queue } from "effect"

/**
 * Milliseconds between checks of the secret files: a few calls of stat(2), so that a new secret applies within seconds.
 */
const lookEvery = 2_000

/** Why the configuration is read again. */
type Reason = "SIGHUP" | "a secret's file changed"

/**
 * Reads the configuration again on SIGHUP and when a secret file changes, while its scope lasts. Its secrets and log
 * level apply at once. An invalid configuration changes nothing.
 *
 * @param load reads the configuration
 * @param setLogLevel called with the new log level
 * @param stamp of the files at the first read: one may change while the process starts
 */
export const rereadSettings = Effect.fnUntraced(function* (options: {
  readonly hangUps: HangUps
  readonly rotating: RotatingSettings
  readonly load: Effect.Effect<ProxySettings, ConfigurationInvalid>
  readonly setLogLevel: (level: ProxySettings["logLevel"]) => void
  readonly stamp: string
}) {
  const { hangUps, rotating, load, setLogLevel } = options
  const { retryNow } = yield* Snapshots
  // One pending request is enough: it reads what is there by then.
  const wanted = yield* Queue.sliding<Reason>(1)
  let files = rotating.settings.secretFiles

  const reread = Effect.fnUntraced(function* (reason: Reason) {
    const later = yield* load
    const { secrets, needRestart } = rotating.adopt(later)
    setLogLevel(later.logLevel)
    files = later.secretFiles
    yield* Effect.logInfo(`Secrets re-read: ${secrets.length} changed`).pipe(
      logEvent("secrets-reread"),
      Effect.annotateLogs({ reason, changed: secrets.join(", "), log_level: later.logLevel }),
    )
    const news = later.warnings.filter((warning) => !rotating.settings.warnings.includes(warning))
    for (const warning of news) yield* Effect.logWarning(warning).pipe(logEvent("configuration-warning"))
    if (needRestart.length > 0) {
      yield* Effect.logWarning("Some changed settings take effect only after a restart").pipe(
        logEvent("restart-needed"),
        Effect.annotateLogs({ settings: needRestart.join(", ") }),
      )
    }
    if (secrets.length > 0) yield* retryNow
  })
  const rereadOrKeep = (reason: Reason) =>
    Effect.catchTag(reread(reason), "ConfigurationInvalid", (error) => {
      rotating.refuse(error.problems.map(({ path }) => path))
      return Effect.logError("The configuration was re-read and refused; the previous one stays in effect").pipe(
        logEvent("configuration-refused"),
        Effect.annotateLogs({ reason, problems: error.message }),
      )
    })

  hangUps.listener = () => Queue.offerUnsafe(wanted, "SIGHUP")
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      hangUps.listener = undefined
    }),
  )
  if (hangUps.missed) hangUps.listener()
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(wanted), rereadOrKeep)))

  // A file that is being written changes between checks. It is read when two checks agree.
  let counted = options.stamp
  let before = counted
  const look = Effect.gen(function* () {
    yield* Effect.sleep(lookEvery)
    const now = yield* stampOf(files)
    const isSettled = now === before
    before = now
    if (!isSettled || now === counted) return
    counted = now
    yield* Queue.offer(wanted, "a secret's file changed")
  })
  yield* Effect.forkScoped(Effect.forever(look))
})

/** A text that changes whenever a file does; none is read. Links are followed: Kubernetes swaps the directory's link. */
export const stampOf = (files: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => Promise.all(files.map((file) => stat(file, { bigint: true }).catch(() => undefined)))),
    (found) =>
      found
        .map((one) => (one === undefined ? "none" : [one.dev, one.ino, one.size, one.mtimeNs, one.ctimeNs]))
        .join(" "),
  )

/**
 * SIGHUPs of this process. They are taken over before the first read of the configuration, because one would end the
 * process.
 */
export interface HangUps {
  listener: (() => void) | undefined
  /** A SIGHUP arrived before there was a listener. */
  missed: boolean
}

/**
 * Takes over SIGHUP. If it has its original meaning, that the terminal of the process is gone, the process stops as on
 * SIGTERM.
 */
export const takeHangUps = (): HangUps => {
  const hangUps: HangUps = { listener: undefined, missed: false }
  const hasTerminal = process.stdin.isTTY === true
  process.on("SIGHUP", () => {
    if (hasTerminal && !isTerminalThere()) process.kill(process.pid, "SIGTERM")
    else if (hangUps.listener === undefined) hangUps.missed = true
    else hangUps.listener()
  })
  return hangUps
}

const isTerminalThere = (): boolean => {
  try {
    closeSync(openSync("/dev/tty", "r"))
    return true
  } catch {
    return false
  }
}

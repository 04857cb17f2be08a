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

/** Milliseconds between two looks at the files of secrets: a few calls of stat(2), so that a new secret counts within seconds. */
const lookEvery = 2_000

/** What asks for the configuration to be read again. */
type Reason = "SIGHUP" | "a secret's file changed"

/**
 * Reads the configuration again at a SIGHUP, and when a file that holds a secret changed, for as long as its scope lasts. The
 * secrets and the log level of it count at once; one that is refused changes nothing.
 *
 * @param load reads it
 * @param setLogLevel called with what was read
 * @param stamp of the files when they were read first: one may change while the process starts
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
  // One that waits is enough: it will read what is there by then.
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
      yield* Effect.logWarning("Settings changed that count from the next start on").pipe(
        logEvent("restart-needed"),
        Effect.annotateLogs({ settings: needRestart.join(", ") }),
      )
    }
    if (secrets.length > 0) yield* retryNow
  })
  const rereadOrKeep = (reason: Reason) =>
    Effect.catchTag(reread(reason), "ConfigurationInvalid", (error) => {
      rotating.refuse(error.problems.map(({ path }) => path))
      return Effect.logError("The configuration was read again and refused; what counted before goes on").pipe(
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

  // A file that is being written changes from look to look: it is read when two looks are the same.
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

/** What tells one content of the files from another. Links are followed: Kubernetes swaps the one of the directory. */
export const stampOf = (files: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => Promise.all(files.map((file) => stat(file, { bigint: true }).catch(() => undefined)))),
    (found) =>
      found
        .map((one) => (one === undefined ? "none" : [one.dev, one.ino, one.size, one.mtimeNs, one.ctimeNs]))
        .join(" "),
  )

/** SIGHUPs of this process, from before the configuration is read for the first time: until then one would end it. */
export interface HangUps {
  listener: (() => void) | undefined
  /** One came while nobody listened. */
  missed: boolean
}

/**
 * Takes SIGHUP over. Where it means what its name says, that the terminal is gone which the process was started in, the
 * process stops as at SIGTERM.
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

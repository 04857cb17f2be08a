import { Effect, type Scope } from "effect"

/** Milliseconds that a line waits for others at most. */
const longestWait = 10
/** Bytes of lines that are written at once. */
const roomForLines = 64 * 1024
const newline = 10
/** Bytes that wait for a reader who does not read. What comes then is dropped: a stuck log shall stop no answers. */
const mostWaiting = 4 * 1024 * 1024

/**
 * Writes lines, several at a time: a system call for each would cost more than all else that a line costs. What still
 * waits is written when the scope ends, and when the process exits.
 *
 * Lines that a stuck reader lets pile up are dropped, and counted.
 *
 * @param dropped the line that says how many lines were dropped
 */
export const makeLogWriter = (
  stream: NodeJS.WriteStream,
  dropped: (lines: number) => string,
): Effect.Effect<(line: string) => void, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        // Bytes, for texts that wait would have to be moved by each garbage collection meanwhile.
        const waiting = Buffer.allocUnsafeSlow(roomForLines)
        let length = 0
        let lost = 0
        let timer: NodeJS.Timeout | undefined
        const flush = () => {
          clearTimeout(timer)
          timer = undefined
          if (length === 0) return
          stream.write(Buffer.copyBytesFrom(waiting, 0, length))
          length = 0
        }
        const append = (line: string) => {
          // No character takes more than three bytes.
          const most = line.length * 3 + 1
          if (length + most > roomForLines) flush()
          if (most > roomForLines) return void stream.write(`${line}\n`)
          length += waiting.write(line, length)
          waiting[length++] = newline
          // A process that has nothing else to do ends, and then it is flushed.
          timer ??= setTimeout(flush, longestWait).unref()
        }
        const sayLost = () => {
          if (lost === 0) return
          const lines = lost
          lost = 0
          append(dropped(lines))
        }
        const write = (line: string) => {
          if (stream.writableLength > mostWaiting) {
            lost += 1
            return
          }
          sayLost()
          append(line)
        }
        const end = () => {
          sayLost()
          flush()
        }
        // Whoever reads may go, or the disk be full: nothing to die of.
        const ignore = () => undefined
        stream.on("error", ignore)
        // Also after an uncaught exception, before its stack is printed.
        process.on("exit", end)
        const close = () => {
          end()
          process.off("exit", end)
          stream.off("error", ignore)
        }
        return { write, close }
      }),
      ({ close }) =>
        Effect.andThen(
          Effect.sync(close),
          // A pipe takes what it has room for; the rest would be lost with the process.
          Effect.callback<void>((resume) => {
            stream.write("", () => resume(Effect.void))
          }).pipe(Effect.timeoutOption("2 seconds")),
        ),
    ),
    ({ write }) => write,
  )

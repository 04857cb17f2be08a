/** Writes log lines in batches, and drops them rather than block. */
import { Effect, type Scope } from "effect"

/** Maximum time that a line waits for others, in milliseconds. */
const longestWait = 10
/** Size of the buffer for one write, in bytes. */
const roomForLines = 64 * 1024
const newline = 10
/**
 * Maximum number of bytes that wait for a stuck reader. Further lines are dropped: a stuck log must not stop the
 * server.
 */
const maxWaiting = 4 * 1024 * 1024

/**
 * Writes log lines in batches, because a system call for each line would cost more than everything else. What is still
 * buffered is written when the scope ends and when the process exits.
 *
 * Lines that pile up behind a stuck reader are dropped and counted.
 *
 * @param dropped the line that reports the number of dropped lines
 */
export const makeLogWriter = (
  stream: NodeJS.WriteStream,
  dropped: (lines: number) => string,
): Effect.Effect<(line: string) => void, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        // Bytes rather than strings, which each garbage collection would have to move.
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
          // No UTF-16 code unit takes more than three bytes.
          const most = line.length * 3 + 1
          if (length + most > roomForLines) flush()
          if (most > roomForLines) return void stream.write(`${line}\n`)
          length += waiting.write(line, length)
          waiting[length++] = newline
          // The timer does not keep an idle process alive; its exit flushes.
          timer ??= setTimeout(flush, longestWait).unref()
        }
        const sayLost = () => {
          if (lost === 0) return
          const lines = lost
          lost = 0
          append(dropped(lines))
        }
        const write = (line: string) => {
          if (stream.writableLength > maxWaiting) {
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
        // The reader may be gone or the disk full. Neither ends the process, not even after the last write.
        stream.on("error", () => undefined)
        // Also after an uncaught exception, before its stack is printed.
        process.on("exit", end)
        const close = () => {
          end()
          process.off("exit", end)
        }
        return { write, close }
      }),
      ({ close }) =>
        Effect.andThen(
          Effect.sync(close),
          // A pipe takes what it has room for; the rest would be lost at exit.
          Effect.callback<void>((resume) => {
            stream.write("", () => resume(Effect.void))
          }).pipe(Effect.timeoutOption("2 seconds")),
        ),
    ),
    ({ write }) => write,
  )

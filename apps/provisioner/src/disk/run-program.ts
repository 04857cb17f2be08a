/** Runs the programs of storage systems: without a shell, with a deadline, with bounded output, in English. */
import { spawn } from "node:child_process"
import { Effect, Result } from "effect"
import { Conflict, type DriverError, Refused, UnknownOutcome } from "../drivers/driver.ts"
import type { Directory } from "./directory.ts"

/** How long a program may take, in milliseconds. A quota command of a busy Lustre takes seconds. */
const deadlineMillis = 60_000
/** In characters. The longest output, a report on 10,000 projects, is below a megabyte. */
const maxOutput = 4 * 1024 * 1024
/** How much of a program's output an error quotes, in characters. */
const maxQuoted = 300

/** No more processes, open files or memory, which may pass. */
const exhausted = ["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"]

/** How a program ended, and its output. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /**
   * An open directory, which the program finds at `givenDirectory`. The child has a descriptor of its own, so the path refers
   * to this directory even if it is renamed.
   */
  readonly given?: Directory
  /** In milliseconds. Default a minute. */
  readonly deadline?: number
}

/** The path of the directory that a program is given. It ends in `/.`, so that it is not taken for a symbolic link. */
export const givenDirectory = "/proc/self/fd/3/."

/**
 * Runs a program to its end, whatever its exit code.
 *
 * @returns exit code and output. Fails with `Refused` if the program cannot be started, and with `UnknownOutcome` if it
 *   exceeds a bound, ends by a signal, or cannot be started at the moment
 */
export const runProgram = (
  program: string,
  args: ReadonlyArray<string>,
  { given, deadline = deadlineMillis }: RunOptions = {},
): Effect.Effect<Ran, Refused | UnknownOutcome> => {
  const step = stepOf(program, args)
  return Effect.callback<Ran, Refused | UnknownOutcome>((resume) => {
    const cannotRun = ({ code = "", message }: NodeJS.ErrnoException) => {
      const about = { step, detail: `it cannot be run: ${message}` }
      resume(Effect.fail(exhausted.includes(code) ? new UnknownOutcome(about) : new Refused(about)))
    }
    // An empty component of PATH would be the working directory.
    const PATH = [process.env.PATH, "/usr/sbin:/sbin:/usr/bin:/bin"].filter(Boolean).join(":")
    const spawned = Result.try(() =>
      spawn(program, args, {
        stdio: ["ignore", "pipe", "pipe", ...(given === undefined ? [] : [given.handle.fd])],
        env: { PATH, LC_ALL: "C" },
        cwd: "/",
      }),
    )
    // For example, an argument contains a NUL, or there is no memory.
    if (Result.isFailure(spawned)) return cannotRun(spawned.failure as Error)
    const child = spawned.success
    // Destroys the pipes, too: a child of the program may hold them open.
    const stop = (detail: string) => {
      child.kill("SIGKILL")
      for (const stream of [child.stdout, child.stderr]) stream?.destroy()
      resume(Effect.fail(new UnknownOutcome({ step, detail })))
    }
    const timer = setTimeout(() => stop(`not finished within ${deadline} ms`), deadline)
    const output = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        output[name] += text
        if (output[name].length > maxOutput) stop(`more than ${maxOutput} characters of output`)
      })
    }
    child.on("error", (error) => {
      clearTimeout(timer)
      cannotRun(error)
    })
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      if (code === null) return stop(`killed by ${signal}`)
      resume(Effect.succeed({ code, ...output }))
    })
    return Effect.sync(() => {
      clearTimeout(timer)
      stop("interrupted")
    })
  })
}

/** What a failure of a program means. */
type Meaning = (ran: Ran) => "unknown" | "conflict" | "refused"

/** Refused only if the program certainly changed nothing; otherwise the outcome is unknown. */
const usualMeaning: Meaning = ({ stderr }) =>
  /not permitted|permission denied|not supported|invalid option|unrecognized option|usage:/i.test(stderr)
    ? "refused"
    : "unknown"

/** The standard output of a program that must succeed. */
export const outputOf = (
  program: string,
  args: ReadonlyArray<string>,
  { meaning = usualMeaning, ...options }: RunOptions & { readonly meaning?: Meaning } = {},
): Effect.Effect<string, DriverError> =>
  Effect.flatMap(runProgram(program, args, options), (ran): Effect.Effect<string, DriverError> => {
    if (ran.code === 0) return Effect.succeed(ran.stdout)
    const about = { step: stepOf(program, args), detail: quoted(ran) }
    const means = meaning(ran)
    if (means === "conflict") return Effect.fail(new Conflict(about))
    return Effect.fail(means === "refused" ? new Refused(about) : new UnknownOutcome(about))
  })

const quoted = ({ code, stderr, stdout }: Ran): string =>
  `exit code ${code}: ${(stderr.trim() || stdout.trim()).replaceAll(/\s+/g, " ").slice(0, maxQuoted)}`

const stepOf = (program: string, args: ReadonlyArray<string>): string =>
  [program, ...args].join(" ").slice(0, maxQuoted)

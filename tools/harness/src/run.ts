/** Runs commands. */
import { type ExecFileOptions, execFile } from "node:child_process"
import { promisify } from "node:util"
import { watch } from "./processes.ts"

/** A process's environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>

const execute = promisify(execFile)

/** The number of output characters in a failed command's error. */
const shown = 4000

/**
 * Runs a command to completion and returns its standard output.
 *
 * @param options.input the command's standard input; default empty
 * @param options.timeout milliseconds; default five minutes
 * @throws with the end of the output if the exit code is not 0
 */
export const run = async (
  command: string,
  args: ReadonlyArray<string>,
  options: Omit<ExecFileOptions, "encoding" | "env"> & { readonly env?: Environment; readonly input?: string } = {},
): Promise<string> => {
  const { input = "", ...given } = options
  try {
    const running = execute(command, args, { maxBuffer: 64 * 1024 * 1024, timeout: 300_000, ...given })
    watch(running.child)
    // A command may close its input without reading it.
    running.child.stdin?.on("error", () => {}).end(input)
    return (await running).stdout
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as { stdout?: string; stderr?: string; message: string }
    const output = `${stdout}${stderr}`.trim().slice(-shown)
    throw new Error(`${command} ${args.join(" ")}\n${output === "" ? message : output}`, { cause: error })
  }
}

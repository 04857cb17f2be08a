/**
 * Runs one step of a check, and prints a line: ok or FAIL, the name, the duration in seconds, and the result.
 *
 * @param describe formats the result
 * @returns the step's result; `undefined` if it failed, which also sets the exit code to 1
 */
export const reportedStep = async <A>(
  name: string,
  act: () => Promise<A> | A,
  describe: (result: A) => string = String,
): Promise<A | undefined> => {
  const began = Date.now()
  const line = (mark: string, text: string) =>
    console.log(`${mark.padEnd(4)}  ${name} (${((Date.now() - began) / 1000).toFixed(1)} s): ${text}`)
  try {
    const result = await act()
    line("ok", describe(result))
    return result
  } catch (error) {
    line("FAIL", error instanceof Error ? error.message : String(error))
    process.exitCode = 1
    return undefined
  }
}

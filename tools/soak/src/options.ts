/** The command line of the soak. */
import { resolve } from "node:path"
import { parseArgs } from "node:util"

export interface Options {
  readonly seconds: number
  readonly seed: number
  readonly resources: number
  /** A built proxy to run instead of building one. */
  readonly main: string | undefined
}

export const usage = `pnpm soak [options]

  --seconds 300    how long the load goes on; from 20
  --seed N         decides what happens; else one is made up, and printed
  --resources 300  Waldur's resources at the start; from 50
  --main FILE      the main.js of a proxy that is built already, such as one that is broken on purpose
  --help           this

Exit code 1 where something is wrong.`

/**
 * Parses the command line. Throws an error with a one-sentence reason if it is wrong, and returns `undefined` for
 * --help.
 */
export const readOptions = (args: ReadonlyArray<string>): Options | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string", default: "300" },
      seed: { type: "string" },
      resources: { type: "string", default: "300" },
      main: { type: "string" },
      help: { type: "boolean", default: false },
    },
  })
  if (values.help) return undefined
  return {
    seconds: wholeNumber("--seconds", values.seconds, 20),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber("--seed", values.seed, 0),
    resources: wholeNumber("--resources", values.resources, 50),
    main: values.main === undefined ? undefined : resolve(values.main),
  }
}

const wholeNumber = (name: string, text: string, least: number): number => {
  const value = Number(text.replaceAll("_", "") || "none")
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`${name}: ${JSON.stringify(text)} is no whole number of at least ${least}`)
  }
  return value
}

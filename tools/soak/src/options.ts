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

  --seconds 300    duration of the load; at least 20
  --seed N         seed of all random events; default: a random one, which is printed
  --resources 300  Waldur's resources at the start; at least 50
  --main FILE      the main.js of an already built proxy, such as a deliberately broken one
  --help           show this help

Exit code 1 if anything is wrong.`

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
    throw new Error(`${name}: ${JSON.stringify(text)} is not a whole number of at least ${least}`)
  }
  return value
}

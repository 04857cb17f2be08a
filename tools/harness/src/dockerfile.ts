/** Parses the Dockerfiles of deploy/, so that tools can do the same without Docker. */
import { readFile } from "node:fs/promises"

/** The instructions of a stage: a name such as `RUN` and the text after it, with continued lines joined. */
type Stage = ReadonlyArray<{ readonly name: string; readonly text: string }>

const ownDockerfile = new URL("../../../deploy/Dockerfile", import.meta.url)

/** The instructions of each stage, in order; instructions before the first FROM are skipped. */
export const stagesOf = async (dockerfile: string | URL = ownDockerfile): Promise<ReadonlyArray<Stage>> => {
  const text = (await readFile(dockerfile, "utf8")).replaceAll(/^[ \t]*#.*\n/gm, "").replaceAll(/\\\n/g, " ")
  const stages: Array<Array<Stage[number]>> = []
  for (const [, name = "", rest = ""] of text.matchAll(/^([A-Z]+)\s+(.*)$/gm)) {
    if (name === "FROM") stages.push([])
    stages.at(-1)?.push({ name, text: rest.trim() })
  }
  return stages
}

/** The variables that the image sets, such as `NODE_ENV`. Their values must not contain spaces. */
export const imageEnvironment = async (): Promise<Readonly<Record<string, string>>> => {
  const image = (await stagesOf()).at(-1) ?? []
  const pairs = image.flatMap(({ name, text }) => (name === "ENV" ? [...text.matchAll(/\b(\w+)=(\S+)/g)] : []))
  return Object.fromEntries(pairs.map(([, name = "", value = ""]) => [name, value]))
}

/** The words of an instruction in JSON form, such as `CMD ["serve"]`. */
export const wordsOf = (stage: Stage, name: string): ReadonlyArray<string> => {
  const found = stage.find((instruction) => instruction.name === name)
  // safe-regex: reads a line of our own Dockerfile
  const list = found === undefined ? undefined : /\[.*\]$/.exec(found.text)?.[0]
  if (list === undefined) throw new Error(`The Dockerfile has no ${name} in JSON form`)
  return JSON.parse(list)
}

import { cp, mkdir, readFile, rm } from "node:fs/promises"
import { matchesGlob } from "node:path"
import { cleanEnvironment, run, stagesOf, workingTree } from "@cscs/harness"

/**
 * Runs the commands of the Dockerfiles' build stages in a copy of the build context, and then removes the copy, so that any
 * reference to it breaks.
 *
 * @param scratch an empty directory
 * @returns the folders that the images would contain as /app: the proxy's, and the provisioner's
 */
export const buildApps = async (workspace: string, scratch: string): Promise<readonly [string, string]> => {
  const copy = `${scratch}/build`
  await mkdir(copy)
  const files = await contextFiles(workspace)
  const [proxy, provisioner] = [`${scratch}/app`, `${scratch}/provisioner`] as const
  const done = new Set<string>()
  for (const [dockerfile, app] of Object.entries({ Dockerfile: proxy, "provisioner.Dockerfile": provisioner })) {
    const [stage = []] = await stagesOf(`${workspace}/deploy/${dockerfile}`)
    // As with Docker's cache, an instruction runs only once.
    for (const { name, text } of stage.filter((one) => !done.has(`${one.name} ${one.text}`))) {
      done.add(`${name} ${text}`)
      if (name === "COPY") {
        const sources = text.split(/\s+/).slice(0, -1)
        for (const file of files.filter((file) => sources.includes(file) || sources.includes("."))) {
          await cp(`${workspace}/${file}`, `${copy}/${file}`)
        }
      }
      // Long enough for a cold build of all packages on a busy machine.
      const options = { cwd: copy, env: cleanEnvironment, timeout: 900_000 }
      if (name === "RUN") await run("/bin/sh", ["-c", text.replaceAll("/app", app)], options)
    }
  }
  await rm(copy, { recursive: true })
  return [proxy, provisioner]
}

/** The build context of `docker build`: the files in the working tree that .dockerignore does not exclude. */
export const contextFiles = async (workspace: string): Promise<ReadonlyArray<string>> => {
  const undotted = (path: string) => path.replaceAll(/(^|[/!])\./g, "$1_")
  const rules = (await readFile(`${workspace}/.dockerignore`, "utf8"))
    .split("\n")
    .map((line) => undotted(line.trim()))
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ includes: line.startsWith("!"), pattern: line.replace(/^!/, "") }))
  // A rule for a directory applies to everything below it; the last matching rule wins; `*` matches a leading dot, too.
  const appliesTo = (pattern: string, file: string) =>
    file.split("/").some((_, depth, names) => matchesGlob(names.slice(0, depth + 1).join("/"), pattern))
  const files = await workingTree(workspace)
  return files.filter((file) => rules.findLast(({ pattern }) => appliesTo(pattern, undotted(file)))?.includes ?? true)
}

import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { matchesGlob } from "node:path"

/** The build context of `docker build`: the files of the working tree that .dockerignore lets through. */
export const contextFiles = async (workspace: string): Promise<ReadonlyArray<string>> => {
  const rules = (await readFile(`${workspace}/.dockerignore`, "utf8"))
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ lets: line.startsWith("!"), pattern: line.replace(/^!/, "") }))
  // A rule for a directory applies to everything below it; the last matching rule wins.
  const speaksOf = (pattern: string, file: string) =>
    file.split("/").some((_, depth, names) => matchesGlob(names.slice(0, depth + 1).join("/"), pattern))
  return execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: workspace })
    .toString()
    .split("\0")
    .filter((file) => file !== "" && existsSync(`${workspace}/${file}`))
    .filter((file) => rules.findLast(({ pattern }) => speaksOf(pattern, file))?.lets ?? true)
}

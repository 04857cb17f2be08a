import { existsSync } from "node:fs"
import { join } from "node:path"
import { run } from "./run.ts"

/** The paths of the files in a repository's working tree, without those that git ignores. */
export const workingTree = async (repository: string): Promise<ReadonlyArray<string>> => {
  const listed = await run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: repository })
  return listed.split("\0").filter((file) => file !== "" && existsSync(join(repository, file)))
}

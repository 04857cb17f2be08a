/** The copy of the repository that is released. */
import { cp, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Environment, run, workingTree } from "@cscs/harness"

/**
 * The working tree in a folder of its own, with one commit and no remote: changesets commits, tags and rewrites there
 * freely.
 */
export const copyRepository = async (workspace: string, copy: string, env: Environment): Promise<void> => {
  await mkdir(copy)
  for (const file of await workingTree(workspace)) await cp(join(workspace, file), join(copy, file))
  await run("git", ["init", "--quiet", "--initial-branch", "main"], { cwd: copy, env })
  await commit(copy, "The repository", env)
}

/** Commits everything in the copy. */
export const commit = async (copy: string, message: string, env: Environment): Promise<void> => {
  const as = ["-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.org", "-c", "commit.gpgsign=false"]
  await run("git", ["add", "--all"], { cwd: copy, env })
  await run("git", [...as, "commit", "--quiet", "--no-verify", "--message", message], { cwd: copy, env })
}

/** Appends lines to the .npmrc of a folder. */
export const addToNpmrc = (folder: string, lines: string): Promise<void> =>
  writeFile(join(folder, ".npmrc"), lines, { flag: "a" })

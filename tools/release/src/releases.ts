/** Versions and publishes a copy of the repository, like the release workflow. */
import { cp, mkdir, mkdtemp, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Environment, run, workingTree } from "@cscs/harness"
import type { Registry } from "./registry.ts"

/**
 * Copies the working tree to a new repository with one commit and no remote, in which changesets can commit, tag and
 * rewrite freely.
 */
export const copyRepository = async (workspace: string, copy: string, env: Environment): Promise<void> => {
  await mkdir(copy)
  for (const file of await workingTree(workspace)) await cp(join(workspace, file), join(copy, file))
  await run("git", ["init", "--quiet", "--initial-branch", "main"], { cwd: copy, env })
  await commit(copy, "The repository", env)
}

/** Commits everything in the copy. */
const commit = async (copy: string, message: string, env: Environment): Promise<void> => {
  const as = ["-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.org", "-c", "commit.gpgsign=false"]
  await run("git", ["add", "--all"], { cwd: copy, env })
  await run("git", [...as, "commit", "--quiet", "--no-verify", "--message", message], { cwd: copy, env })
}

/** Appends lines to the .npmrc of a folder. */
export const addToNpmrc = (folder: string, lines: string): Promise<void> =>
  writeFile(join(folder, ".npmrc"), lines, { flag: "a" })

/** The newest versions in the registry, by package. */
export type Versions = ReadonlyMap<string, string>

/** Creates new versions from the changesets, with the release workflow's command. */
export const version = async (copy: string, env: Environment): Promise<void> => {
  await run("pnpm", ["run", "version-packages"], { cwd: copy, env })
  await commit(copy, "Version packages", env)
}

/**
 * Builds the packages, packs those that the registry lacks, and publishes the tarballs, like the release workflow. Returns
 * the newest versions in the registry.
 */
export const publish = async (
  copy: string,
  registry: Registry,
  names: ReadonlyArray<string>,
  env: Environment,
): Promise<Versions> => {
  await run("turbo", ["run", "build", "--output-logs=errors-only"], { cwd: copy, env })
  // Set twice for safety: everything is published here, not only our scope.
  const onlyHere = { ...env, npm_config_registry: registry.url, pnpm_config_registry: registry.url }
  const tarballs = await mkdtemp(`${copy}-packed-`)
  await run("changeset", ["pack", "--out-dir", tarballs], { cwd: copy, env: onlyHere })
  await run("changeset", ["publish", "--from-pack-dir", tarballs], { cwd: copy, env: onlyHere })
  return new Map(await Promise.all(names.map(async (name) => [name, (await registry.newest(name)).version] as const)))
}

/** Writes a changeset like `changeset add`. */
export const addChangeset = (copy: string, name: string, step: "major" | "minor" | "patch"): Promise<void> =>
  writeFile(join(copy, ".changeset/of-the-rehearsal.md"), `---\n"${name}": ${step}\n---\n\nOf the rehearsal.\n`)

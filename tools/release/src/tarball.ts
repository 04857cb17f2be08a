/** Checks of a published tarball. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Environment, run } from "@cscs/harness"
import type { Release } from "./registry.ts"

/** What every tarball contains beside `dist`, and nothing else. */
const beside = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"]

/**
 * Checks the newest tarball of a package from the registry, and unpacks it into a folder; returns the problems in words,
 * and a summary. That exports lead to ES modules with types, and that imports are listed, is checked by publint, attw and knip.
 */
export const checkTarball = async (name: string, release: Release, folder: string, env: Environment) => {
  const faults: Array<string> = []
  const must = (holds: boolean, otherwise: string) => {
    if (!holds) faults.push(`${name}: ${otherwise}`)
  }
  await mkdir(folder, { recursive: true })
  const bytes = await (await fetch(release.dist.tarball)).bytes()
  await writeFile(join(folder, "it.tgz"), bytes)
  await run("tar", ["-xzf", "it.tgz"], { cwd: folder, env })
  const root = join(folder, "package")

  const files = (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
  for (const file of files) must(file.startsWith("dist/") || beside.includes(file), `${file} is in the tarball`)
  for (const file of beside) must(files.includes(file), `there is no ${file} in the tarball`)

  const text = await readFile(join(root, "package.json"), "utf8")
  const manifest = JSON.parse(text)
  const { exports = {}, bin = {}, dependencies = {}, optionalDependencies = {} } = manifest
  for (const protocol of ["workspace:", "catalog:", "link:", "file:"]) {
    must(!text.includes(`"${protocol}`), `its package.json has a dependency by ${protocol}`)
  }
  must(manifest.license === "MIT", `its licence is ${manifest.license}`)
  must(manifest.repository?.directory !== undefined, "repository.directory is missing; provenance needs it")

  // One export, with types; or none, and a command.
  const paths = Object.keys(exports).filter((path) => path !== "./package.json")
  const isProgram = Object.keys(bin).length > 0
  must(paths.join() === (isProgram ? "" : "."), `its exports are ${paths.join(", ") || "none"}`)
  must(isProgram || manifest.sideEffects === false, "sideEffects is not false")
  must(Object.keys(optionalDependencies).length === 0, "it has optional dependencies")

  const size = `${(bytes.length / 1024).toFixed(0)} KB`
  return { faults, seen: `${name} ${release.version}: ${size}, ${Object.keys(dependencies).length} dependencies` }
}

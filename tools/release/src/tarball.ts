/** Checks of a published tarball. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Environment, run } from "@cscs/harness"
import type { Release } from "./registry.ts"

/** The files that every tarball contains beside `dist`; it contains no others. */
const beside = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"]

/**
 * Unpacks a package's newest tarball from the registry into a folder, and checks it; returns the problems and a summary.
 * publint, attw and knip check that exports lead to ES modules with types, and that imports are declared.
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

  // A library has one export, with types; a program has a command and no export.
  const paths = Object.keys(exports).filter((path) => path !== "./package.json")
  const isProgram = Object.keys(bin).length > 0
  must(paths.join() === (isProgram ? "" : "."), `its exports are ${paths.join(", ") || "none"}`)
  must(isProgram || manifest.sideEffects === false, "sideEffects is not false")
  must(Object.keys(optionalDependencies).length === 0, "it has optional dependencies")

  const size = `${(bytes.length / 1024).toFixed(0)} KB`
  return { faults, seen: `${name} ${release.version}: ${size}, ${Object.keys(dependencies).length} dependencies` }
}

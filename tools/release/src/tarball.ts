import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { isBuiltin } from "node:module"
import { dirname, join, normalize } from "node:path"
import { type Environment, run } from "@cscs/harness"
import type { Packument } from "./registry.ts"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly type?: string
  readonly sideEffects?: boolean
  readonly repository?: { readonly directory?: string }
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** What every tarball has beside `dist`, and all that it may have. */
const beside = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"]

/** What modules import, as Node itself parses them: a bundle holds comments and texts that only look like imports. */
const importedByModules = async (root: string, files: ReadonlyArray<string>, env: Environment) => {
  const source = `
    import { readFileSync } from "node:fs"
    import { SourceTextModule } from "node:vm"
    const imports = (file) => new SourceTextModule(readFileSync(file, "utf8")).moduleRequests.map(({ specifier }) => specifier)
    console.log(JSON.stringify(process.argv.slice(1).map((file) => [file, imports(file)])))`
  const flags = ["--experimental-vm-modules", "--no-warnings", "--input-type=module", "--eval", source, "--"]
  return JSON.parse(await run("node", [...flags, ...files], { cwd: root, env })) as ReadonlyArray<
    [file: string, specifiers: ReadonlyArray<string>]
  >
}

const importsOfTypes = (source: string): ReadonlyArray<string> =>
  [
    // safe-regex: what our own build wrote
    /^(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"']+)["']/gm,
    /^import\s*["']([^"']+)["']/gm,
    /\bimport\(["']([^"']+)["']\)/g,
    /^\/\/\/ <reference types="([^"]+)"/gm,
  ].flatMap((pattern) => specifiersIn(source, pattern))

/** `import()` where it is called: types in comments have it too, after a brace or `typeof`. */
const importedLater = (source: string): ReadonlyArray<string> =>
  specifiersIn(source, /(?:=>|\bawait|\breturn|=)\s*import\(["']([^"']+)["']\)/g)

const specifiersIn = (source: string, pattern: RegExp): ReadonlyArray<string> =>
  [...source.matchAll(pattern)].map(([, specifier = ""]) => specifier)

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

/**
 * Judges the newest tarball of a package as the registry hands it out, and lays what is in it into a folder.
 *
 * @returns what is wrong, in words; and what was seen, for people
 */
export const judgeTarball = async (
  name: string,
  packument: Packument,
  folder: string,
  env: Environment,
): Promise<{ readonly faults: ReadonlyArray<string>; readonly seen: string }> => {
  const faults: Array<string> = []
  const must = (holds: boolean, otherwise: string) => {
    if (!holds) faults.push(`${name}: ${otherwise}`)
  }
  await mkdir(folder, { recursive: true })
  const { latest } = packument["dist-tags"]
  const answer = await fetch(packument.versions[latest]?.dist.tarball ?? "")
  const bytes = Buffer.from(await answer.arrayBuffer())
  await writeFile(join(folder, "it.tgz"), bytes)
  await run("tar", ["-xzf", "it.tgz"], { cwd: folder, env })
  const root = join(folder, "package")

  const files = (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
  for (const file of files) must(file.startsWith("dist/") || beside.includes(file), `${file} is in the tarball`)
  for (const file of beside) must(files.includes(file), `there is no ${file} in the tarball`)

  const text = await readFile(join(root, "package.json"), "utf8")
  const manifest: Manifest = JSON.parse(text)
  const { exports = {}, bin = {}, dependencies = {} } = manifest
  for (const protocol of ["workspace:", "catalog:", "link:", "file:"]) {
    must(!text.includes(`"${protocol}`), `its package.json has a dependency by ${protocol}`)
  }
  must(manifest.license === "MIT", `its licence is ${manifest.license}`)
  must(manifest.type === "module", "it is not ESM")
  must(manifest.repository?.directory !== undefined, "it does not say its place in the repository; provenance needs it")

  // One door, with types; or none, and a command.
  const doors = Object.keys(exports).filter((door) => door !== "./package.json")
  const isProgram = Object.keys(bin).length > 0
  must(doors.join() === (isProgram ? "" : "."), `its doors are ${doors.join(", ") || "none"}`)
  const targets = Object.values(exports).flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target),
  )
  for (const target of [...targets, ...Object.values(bin)]) {
    must(files.includes(normalize(target)), `${target} is not in the tarball`)
  }
  if (!isProgram) {
    must(typeof exports["."] === "object" && exports["."].types?.endsWith(".d.ts") === true, "its door has no types")
    must(manifest.sideEffects === false, "it does not say that it has no side effects")
  }

  const imported = new Set<string>()
  const judgeImport = (file: string, specifier: string) => {
    if (isBuiltin(specifier) || specifier === "node") return
    if (!specifier.startsWith(".")) imported.add(packageOf(specifier))
    else {
      const places = [specifier, specifier.replace(/\.js$/, ".d.ts")].map((place) => join(root, dirname(file), place))
      must(places.some(existsSync), `${file} imports ${specifier}, which is not in the tarball`)
    }
  }
  const ours = files.filter((file) => /^dist\/.*\.(js|d\.ts)$/.test(file) && !file.includes("/swagger-ui/"))
  const modules = ours.filter((file) => file.endsWith(".js"))
  for (const [file, specifiers] of await importedByModules(root, modules, env)) {
    for (const specifier of specifiers) judgeImport(file, specifier)
  }
  for (const file of ours) {
    const source = await readFile(join(root, file), "utf8")
    // Of what a bundle may import later, other packages are optional parts of those that are in it.
    const more = file.endsWith(".d.ts")
      ? importsOfTypes(source)
      : importedLater(source).filter((specifier) => !isProgram || specifier.startsWith("."))
    for (const specifier of more) judgeImport(file, specifier)
    for (const map of specifiersIn(source, /^\/\/# sourceMappingURL=(\S+)/gm)) {
      must(map.startsWith("data:") || files.includes(join(dirname(file), map)), `${file} names a missing ${map}`)
    }
  }
  const declared = new Set(Object.keys({ ...dependencies, ...manifest.peerDependencies }))
  for (const one of imported) must(declared.has(one), `it imports ${one}, which it does not declare`)
  for (const one of declared) must(imported.has(one), `it declares ${one}, which it does not import`)
  must(Object.keys(manifest.optionalDependencies ?? {}).length === 0, "it has optional dependencies")

  const size = `${(bytes.length / 1024).toFixed(0)} KB`
  return { faults, seen: `${name} ${latest}: ${size}, ${declared.size} dependencies` }
}

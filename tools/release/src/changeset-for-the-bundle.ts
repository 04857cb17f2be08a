/**
 * Part of `pnpm version-packages`, before changesets runs. Each executable is one file that bundles our packages as
 * development dependencies, which cause no release of it. So if a changeset names a bundled package and none names the
 * executable, a changeset is added that bumps the executable by a patch.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { readChangesets } from "@changesets/read"

const EXECUTABLES = ["@cscs/storage-proxy", "@cscs/storage-provisioner"]

const manifests = new Map(
  globSync("{packages,apps}/*/package.json")
    .map((path) => JSON.parse(readFileSync(path, "utf8")))
    .filter((manifest) => !manifest.private)
    .map((manifest) => [manifest.name as string, manifest]),
)

/** Our packages in an executable. */
const bundledIn = (executable: string): ReadonlySet<string> => {
  const bundled = new Set<string>()
  const add = (names: ReadonlyArray<string>): void => {
    for (const name of names) {
      if (bundled.has(name) || !manifests.has(name)) continue
      bundled.add(name)
      add(Object.keys(manifests.get(name)?.dependencies ?? {}))
    }
  }
  add(Object.keys(manifests.get(executable)?.devDependencies ?? {}))
  if (bundled.size === 0) throw new Error(`${executable} has none of our packages in it: this script is out of date`)
  return bundled
}

const named = (await readChangesets(process.cwd())).flatMap(({ releases }) => releases.map(({ name }) => name))
for (const executable of EXECUTABLES) {
  const changed = [...bundledIn(executable)].filter((name) => named.includes(name)).sort()
  if (changed.length === 0 || named.includes(executable)) continue
  writeFileSync(
    `.changeset/bundled-in-${executable.replace("@cscs/", "")}.md`,
    `---\n"${executable}": patch\n---\n\nHas in it the new ${changed.join(", ")}.\n`,
  )
  console.log(`${executable} moves by a patch, for it has ${changed.join(", ")} in it.`)
}

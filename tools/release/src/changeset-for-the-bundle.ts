/**
 * Part of `pnpm version-packages`, before changesets runs. Each executable is one file that bundles our packages. They are
 * development dependencies, so a new version of one does not release the executable. So if a changeset names a bundled
 * package and none names the executable, this adds a changeset with a patch of the executable.
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

/** Our packages that an executable bundles. */
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
  if (bundled.size === 0) throw new Error(`${executable} bundles none of our packages: this script is out of date`)
  return bundled
}

const named = (await readChangesets(process.cwd())).flatMap(({ releases }) => releases.map(({ name }) => name))
for (const executable of EXECUTABLES) {
  const changed = [...bundledIn(executable)].filter((name) => named.includes(name)).sort()
  if (changed.length === 0 || named.includes(executable)) continue
  writeFileSync(
    `.changeset/bundled-in-${executable.replace("@cscs/", "")}.md`,
    `---\n"${executable}": patch\n---\n\nBundles the new ${changed.join(", ")}.\n`,
  )
  console.log(`${executable} gets a patch, because it bundles ${changed.join(", ")}.`)
}

/**
 * Part of `pnpm version-packages`, before changesets runs. The process is one file that bundles our packages as
 * development dependencies, which cause no release of it. So if a changeset names a bundled package and none names the
 * process, a changeset is added that bumps the process by a patch.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { readChangesets } from "@changesets/read"

const BUNDLE = "@cscs/storage-proxy"

const manifests = new Map(
  globSync("{packages,apps}/*/package.json")
    .map((path) => JSON.parse(readFileSync(path, "utf8")))
    .filter((manifest) => !manifest.private)
    .map((manifest) => [manifest.name as string, manifest]),
)

const bundled = new Set<string>()
const add = (names: ReadonlyArray<string>): void => {
  for (const name of names) {
    if (bundled.has(name) || !manifests.has(name)) continue
    bundled.add(name)
    add(Object.keys(manifests.get(name)?.dependencies ?? {}))
  }
}
add(Object.keys(manifests.get(BUNDLE)?.devDependencies ?? {}))
if (bundled.size === 0) throw new Error(`${BUNDLE} has none of our packages in it: this script is out of date`)

const named = (await readChangesets(process.cwd())).flatMap(({ releases }) => releases.map(({ name }) => name))
const changed = [...bundled].filter((name) => named.includes(name)).sort()
if (changed.length > 0 && !named.includes(BUNDLE)) {
  writeFileSync(".changeset/bundled.md", `---\n"${BUNDLE}": patch\n---\n\nHas in it the new ${changed.join(", ")}.\n`)
  console.log(`${BUNDLE} moves by a patch, for it has ${changed.join(", ")} in it.`)
}

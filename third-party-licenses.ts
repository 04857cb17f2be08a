import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Rolldown } from "tsdown"

/** Writes the licences of all packages whose code is in the bundle to a file beside it, as they demand. */
export const thirdPartyLicenses = (): Rolldown.Plugin => ({
  name: "third-party-licenses",
  async generateBundle() {
    const folders = new Set<string>()
    for (const id of this.getModuleIds()) {
      const [folder] = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id) ?? []
      if (folder !== undefined && !id.startsWith("\0")) folders.add(folder)
    }
    const licences = await Promise.all([...folders].map(licenceOf))
    this.emitFile({ type: "asset", fileName: "THIRD-PARTY-LICENSES.txt", source: `${licences.sort().join("\n\n")}\n` })
  },
})

const licenceOf = async (folder: string): Promise<string> => {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"))
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort()
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")))
  return [`${name} ${version} (${license})`, ...texts.map((text) => text.trim())].join("\n\n")
}

/**
 * Checks that the scripts and files in the documents' shell commands exist, and storage-proxy's subcommands and flags; that
 * sample configurations name mount roots; and that docs/README.md, which is also the site's table of contents, lists each
 * document of docs/ with a description. (Also in `lint`, remark-validate-links checks links.) Exit code 1 if one is missing.
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { spawnProxy } from "@cscs/harness"

const root = join(import.meta.dirname, "../../..")
const documents = globSync("**/*.md", {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist|\.changeset|CHANGELOG\.md)(\/|$)/.test(path),
})
const text = (path: string): string => readFileSync(join(root, path), "utf8")

const problems: Array<string> = []

/** All manifests; the root's has no name, because its scripts need no filter. */
const manifests = globSync(["package.json", "{packages,apps,tools}/*/package.json"], { cwd: root }).map((path) =>
  path === "package.json" ? { ...JSON.parse(text(path)), name: undefined } : JSON.parse(text(path)),
)
/** pnpm's built-in commands. */
const ownCommands = new Set(["install", "exec"])

/** The --help output of each subcommand. That of one that does not exist is the program's own. */
const helps = new Map<string, Promise<string>>()
const helpOf = (subcommand: string): Promise<string> => {
  const known = helps.get(subcommand)
  if (known !== undefined) return known
  const { ended, stdout } = spawnProxy({ args: [subcommand, "--help"], environment: { NO_COLOR: "1" } })
  const help = ended.then(() => stdout())
  helps.set(subcommand, help)
  return help
}

const checkCommand = async (document: string, line: string): Promise<void> => {
  const [command = ""] = line.split(/\s#\s/)
  const wrong = (what: string) => problems.push(`${document}: \`${command.trim()}\`: ${what}`)
  const [, filter, script] = /npx -y pnpm@12 (?:--filter (\S+) )?([\w:-]+)/.exec(command) ?? []
  if (script !== undefined && !ownCommands.has(script)) {
    const manifest = manifests.find(({ name }) => name === filter)
    if (manifest === undefined) wrong(`workspace ${filter} does not exist`)
    else if (manifest.scripts?.[script] === undefined) wrong(`${filter ?? "the root"} has no script ${script}`)
  }

  const [, file] = /(?:^|\s)node (?:--\S+ )*((?:tools|deploy|apps|packages)\/\S+)/.exec(command) ?? []
  if (file !== undefined && !existsSync(join(root, file))) wrong(`${file} does not exist`)

  // safe-regex: reads a line of our own documents
  const [, subcommand, rest = ""] = /storage-proxy ([a-z]+)((?: .*)?)$/.exec(command.split("|")[0] ?? "") ?? []
  if (subcommand === undefined || !/(^|\/|\s)storage-proxy (?!\S*[=:/])/.test(command)) return
  // Here it is the name of an image, a release, a unit or a folder.
  if (/(docker|helm|systemctl|kubectl|install|cp|useradd)\b/.test(command)) return
  const help = await helpOf(subcommand)
  if (!help.includes(`storage-proxy ${subcommand} [flags]`)) wrong(`subcommand ${subcommand} does not exist`)
  for (const [, flag = ""] of rest.matchAll(/\s(--[a-z-]+)/g)) {
    if (!help.split(/[\s,]+/).includes(flag)) wrong(`${subcommand} has no ${flag}`)
  }
}

for (const document of documents) {
  for (const [, block = ""] of text(document).matchAll(/```(?:bash|sh|shell|console)\n([\s\S]*?)```/g)) {
    for (const line of block.replaceAll(/\\\n\s*/g, " ").split("\n")) await checkCommand(document, line)
  }
}

// Users copy these configurations, and without mount roots a mount point may be almost anywhere.
const samples = [
  ...documents.flatMap((path) =>
    [...text(path).matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = ""]) => ({ path, block })),
  ),
  ...globSync("{deploy,examples}/**/*.{yaml,yml}", { cwd: root, exclude: ["**/node_modules/**"] }).map((path) => ({
    path,
    block: text(path),
  })),
  // Not the provisioner's, which names the proxy and has its own roots.
].filter(({ block }) => /^[# ]*waldur_api_url:/m.test(block) && !/^[# ]*proxy:/m.test(block))
for (const { path, block } of samples) {
  if (!/mount_roots:/.test(block)) problems.push(`${path}: a configuration without backend_settings.mount_roots`)
}
if (samples.length < 5) problems.push(`only ${samples.length} configurations were found`)

// safe-regex: reads our own document
const listed = Array.from(text("docs/README.md").matchAll(/^- \[[^\]]+\]\(([^)]+)\): \S/gm), ([, path]) => path)
for (const name of globSync("*.md", { cwd: join(root, "docs") })) {
  const isListed = name === "README.md" || listed.includes(name)
  if (!isListed) problems.push(`docs/README.md does not list ${name} with a description`)
}
if (documents.length < 5) problems.push(`only ${documents.length} documents were found`)
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0

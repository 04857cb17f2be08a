/**
 * Checks the shell commands in the documents: the scripts, files, subcommands and flags that they name exist; and that
 * docs/README.md, which is the site's table of contents too, lists each document of docs/ in one line. (Links are checked
 * by remark-validate-links, in `lint` too.) Exit code 1 if something is missing.
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

/** The root's manifest is without a filter. */
const manifests = globSync(["package.json", "{packages,apps,tools}/*/package.json"], { cwd: root }).map((path) =>
  path === "package.json" ? { ...JSON.parse(text(path)), name: undefined } : JSON.parse(text(path)),
)
/** pnpm's built-in commands. */
const ownCommands = new Set(["install", "exec", "changeset"])

/** The --help output of each subcommand; empty if it does not exist. */
const helps = new Map<string, Promise<string>>()
const helpOf = (subcommand: string): Promise<string> => {
  const known = helps.get(subcommand)
  if (known !== undefined) return known
  const { ended, stdout } = spawnProxy({ args: [subcommand, "--help"], environment: { NO_COLOR: "1" } })
  const help = ended.then((code) => (code === 0 ? stdout() : ""))
  helps.set(subcommand, help)
  return help
}

const checkCommand = async (document: string, line: string): Promise<void> => {
  const [command = ""] = line.split(/\s#\s/)
  const wrong = (what: string) => problems.push(`${document}: \`${command.trim()}\`: ${what}`)
  const [, filter, script] = /npx -y pnpm@12 (?:--filter (\S+) )?([\w:-]+)/.exec(command) ?? []
  if (script !== undefined && !ownCommands.has(script)) {
    const manifest = manifests.find(({ name }) => name === filter)
    if (manifest === undefined) wrong(`there is no workspace ${filter}`)
    else if (manifest.scripts?.[script] === undefined) wrong(`${filter ?? "the root"} has no script ${script}`)
  }

  const [, file] = /(?:^|\s)node (?:--\S+ )*((?:tools|deploy|apps|packages)\/\S+)/.exec(command) ?? []
  if (file !== undefined && !existsSync(join(root, file))) wrong(`${file} does not exist`)

  // safe-regex: a line of our own documents
  const [, subcommand, rest = ""] = /storage-proxy (serve|[a-z]+)((?: .*)?)$/.exec(command.split("|")[0] ?? "") ?? []
  if (subcommand === undefined || !/(^|\/|\s)storage-proxy (?!\S*[=:/])/.test(command)) return
  if (/(docker|helm|systemctl|kubectl|install|cp|useradd)\b/.test(command)) return
  const help = await helpOf(subcommand)
  if (help === "") wrong(`there is no subcommand ${subcommand}`)
  for (const [, flag = ""] of rest.matchAll(/\s(--[a-z-]+)/g)) {
    if (!help.includes(flag)) wrong(`${subcommand} has no ${flag}`)
  }
}

for (const document of documents) {
  for (const [, block = ""] of text(document).matchAll(/```(?:bash|sh|shell|console)\n([\s\S]*?)```/g)) {
    for (const line of block.replaceAll(/\\\n\s*/g, " ").split("\n")) await checkCommand(document, line)
  }
}

// A configuration that is copied from here must not lack it: without mount roots a mount point may be almost anywhere.
const samples = [
  ...documents.flatMap((path) =>
    [...text(path).matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = ""]) => ({ path, block })),
  ),
  ...globSync("{deploy,examples}/**/*.{yaml,yml}", { cwd: root, exclude: ["**/node_modules/**"] }).map((path) => ({
    path,
    block: text(path),
  })),
  // That of the provisioner, which has roots of its own, names the proxy.
].filter(({ block }) => /^[# ]*waldur_api_url:/m.test(block) && !/^[# ]*proxy:/m.test(block))
for (const { path, block } of samples) {
  if (!/mount_roots:/.test(block)) problems.push(`${path}: a configuration without backend_settings.mount_roots`)
}
if (samples.length < 5) problems.push(`only ${samples.length} configurations were found`)

// safe-regex: our own document
const listed = Array.from(text("docs/README.md").matchAll(/^- \[[^\]]+\]\(([^)]+)\): \S/gm), ([, path]) => path)
for (const name of globSync("*.md", { cwd: join(root, "docs") })) {
  const isListed = name === "README.md" || listed.includes(name)
  if (!isListed) problems.push(`docs/README.md does not list ${name} with a line about it`)
}
for (const problem of problems) console.error(problem)
if (documents.length < 5) console.error(`only ${documents.length} documents were found`)
process.exitCode = problems.length > 0 || documents.length < 5 ? 1 : 0

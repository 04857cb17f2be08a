import { existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename } from "node:path"

/**
 * Writes generated files, by path. With `--check` it only reports stale files (including links, which a copy or a package
 * would lose), and sets the exit code to 1.
 */
export const writeOrCheck = (files: Readonly<Record<string, string>>): void => {
  for (const [path, content] of Object.entries(files)) {
    const isFile = existsSync(path) && !lstatSync(path).isSymbolicLink()
    if (isFile && readFileSync(path, "utf8") === content) continue
    if (process.argv.includes("--check")) {
      console.error(`${path} is stale; run: node tools/docs/src/${basename(process.argv[1] ?? "")}`)
      process.exitCode = 1
    } else {
      rmSync(path, { force: true })
      writeFileSync(path, content)
    }
  }
}

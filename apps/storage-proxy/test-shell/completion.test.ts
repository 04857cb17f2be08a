import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { aDirectory, finished } from "../test/a-process.ts"

test("a shell completes commands, flags and their values", async () => {
  const { code, stdout } = await finished(["--completions", "bash"])
  expect(code).toBe(0)
  const directory = await aDirectory()
  const script = join(directory, "completions.bash")
  await writeFile(script, stdout)
  await writeFile(join(directory, "config.yaml"), "")
  const completed = async (line: string) => {
    const words = line.split(" ")
    const bash = `source ${script}
COMP_LINE="$1"; COMP_POINT=\${#1}; COMP_WORDS=("\${@:2}"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMPREPLY=()
_storage_proxy storage-proxy "\${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "\${COMPREPLY[@]}"`
    const { stdout } = await promisify(execFile)("bash", ["-c", bash, "bash", line, ...words], { cwd: directory })
    return stdout.trim().split("\n").toSorted()
  }
  expect(await completed("storage-proxy e")).toEqual(["explain", "export"])
  expect(await completed("storage-proxy tree --st")).toEqual(["--state", "--status", "--storage-system"])
  expect(await completed("storage-proxy export --format ")).toEqual(["json", "ndjson"])
  for (const command of ["serve", "check", "export", "tree", "explain"]) {
    expect(await completed(`storage-proxy ${command} --config conf`)).toEqual(["config.yaml"])
  }
  expect(await completed(`storage-proxy check --config ${directory}/conf`)).toEqual([`${directory}/config.yaml`])
})

test.each([
  ["zsh", /--config\[.*\]:file:_files'/g],
  ["fish", /-l config -d '.*' -r -F$/gm],
])("the completion for %s completes --config with files", async (shell, completesFiles) => {
  const { stdout } = await finished(["--completions", shell])
  expect(stdout.match(completesFiles)).toHaveLength(5)
})

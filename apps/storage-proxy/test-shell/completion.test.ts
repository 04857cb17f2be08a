import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { aDirectory, finished } from "../test/a-process.ts"

test("a shell completes commands, flags and their values", async () => {
  const { code, stdout } = await finished(["--completions", "bash"])
  expect(code).toBe(0)
  const script = join(await aDirectory(), "completions.bash")
  await writeFile(script, stdout)
  const completed = async (line: string) => {
    const words = line.split(" ")
    const bash = `source ${script}
COMP_LINE="$1"; COMP_POINT=\${#1}; COMP_WORDS=("\${@:2}"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMPREPLY=()
_storage_proxy; printf "%s\\n" "\${COMPREPLY[@]}"`
    const { stdout } = await promisify(execFile)("bash", ["-c", bash, "bash", line, ...words])
    return stdout.trim().split("\n").toSorted()
  }
  expect(await completed("storage-proxy e")).toEqual(["explain", "export"])
  expect(await completed("storage-proxy tree --st")).toEqual(["--state", "--status", "--storage-system"])
  expect(await completed("storage-proxy export --format ")).toEqual(["json", "ndjson"])
})

import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { buildDemoWorld } from "@cscs/sandbox"
import { expect, test } from "vitest"
import { aDirectory, aSandbox, documentOf, finished } from "./a-process.ts"

const helpOf = async (command: string) => (await finished([command, "--help"])).stdout

test.each(["serve", "check", "export", "tree", "explain", "diff"])(
  "the help of %s names the default of each flag that takes a value, and no wizard",
  async (command) => {
    const help = await helpOf(command)
    const [, flags = ""] = /\nFLAGS\n([\s\S]*?)\n\n/.exec(help) ?? []
    const valued = flags.split("\n").filter((line) => !/^ {2}--(json|dry-run) /.test(line))
    expect(valued.length).toBeGreaterThan(0)
    for (const line of valued) expect(line).toMatch(/^ {2}--[a-z-]+ \S+ +.*\(default: .+\)/)
    expect(help).not.toContain("wizard")
  },
)

test.each(["tree", "explain"])("the examples in the help of %s find something in the demo's world", async (command) => {
  const directory = await aDirectory()
  await writeFile(join(directory, "config.yaml"), documentOf(await aSandbox({ world: buildDemoWorld() })))
  const environment = { WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH: "config.yaml" }
  const [, examples = ""] = (await helpOf(command)).split("\nEXAMPLES\n")
  const commands = [...examples.matchAll(/^ {2}storage-proxy (.+)$/gm)].map(([, args = ""]) => args.split(" "))
  expect(commands.length).toBe(3)
  const runs = commands.map(async (args) => [args, await finished(args, { directory, environment })] as const)
  for (const [args, { code, stdout }] of await Promise.all(runs)) {
    expect([args, code]).toEqual([args, 0])
    expect(stdout.length).toBeGreaterThan(100)
  }
})

import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { buildDemoWorld, buildWorld } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aDirectory, aSandbox, environmentOf, finished } from "./a-process.ts"

const helpOf = async (command: string) => (await finished([command, "--help"])).stdout

test.each(["serve", "check", "export", "tree", "explain", "diff"])(
  "the help of %s names the default of each flag that takes a value, and offers no wizard",
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
  const environment = environmentOf(await aSandbox({ world: buildDemoWorld() }))
  const directory = await aDirectory()
  await writeFile(join(directory, "config.yaml"), "{}")
  const [, examples = ""] = (await helpOf(command)).split("\nEXAMPLES\n")
  const commands = [...examples.matchAll(/^ {2}storage-proxy (.+)$/gm)].map(([, args = ""]) => args.split(" "))
  expect(commands.length).toBe(3)
  const runs = commands.map(async (args) => [args, await finished(args, { directory, environment })] as const)
  for (const [args, { code, stdout }] of await Promise.all(runs)) {
    expect([args, code]).toEqual([args, 0])
    expect(stdout.length).toBeGreaterThan(100)
  }
})

describe("docs/command-line.md shows what the command prints for the world of the tests:", async () => {
  const page = await readFile(new URL("../../../docs/command-line.md", import.meta.url), "utf8")
  const shown = [...page.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block = ""]) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((one) => one.trimEnd().split("\n")),
  )
  // The others depend on more than a world.
  const commands = shown.flatMap(([command = "", ...lines], index) => {
    const [, args = ""] = /^storage-proxy ((?:explain|tree|export --dry-run).*)/.exec(command) ?? []
    const [next, code] = shown[index + 1] ?? []
    return args === "" ? [] : [{ args, lines, code: next === "echo $?" ? Number(code) : undefined }]
  })

  test.each(commands)("$args", async ({ args, lines, code }) => {
    // As in the demo's configuration.
    const mounted = { BACKEND_SETTINGS_MOUNT_ROOTS: "/capstor,/vast,/iopsstor" }
    const environment = { ...environmentOf(await aSandbox({ world: buildWorld() })), ...mounted }
    const ran = await finished(args.split(" "), { environment })
    if (code !== undefined) expect(ran.code).toBe(code)
    let rest = ran.stdout
    for (const line of lines.filter((one) => one.trim() !== "...")) {
      expect(rest).toContain(line)
      rest = rest.slice(rest.indexOf(line) + line.length)
    }
  })

  test("contains five commands whose output depends only on the test data", () => expect(commands.length).toBe(5))
})

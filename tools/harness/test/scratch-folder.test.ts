import { existsSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { spawnProxy, until } from "../src/index.ts"

const module = join(import.meta.dirname, "../src/index.ts")

test.each(["ends by itself", "is interrupted"])("a tool that %s leaves no folder and no child", async (how) => {
  const source = `
    import { spawn } from "node:child_process"
    import { scratchFolder, watch } from ${JSON.stringify(module)}
    const folder = scratchFolder("test")
    const child = watch(spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" }))
    console.log(JSON.stringify([folder, child.pid]))
    ${how === "ends by itself" ? "process.exit(0)" : "setInterval(() => {}, 1000)"}`
  const tool = spawnProxy({ command: [process.execPath, "--input-type=module", "--eval", source] })
  const line = await until("its folder", () => /^\[.*\]\n/.exec(tool.stdout())?.[0])
  if (how === "is interrupted") tool.signal("SIGINT")
  expect(await tool.ended).toBe(how === "is interrupted" ? 130 : 0)
  const [folder, pid] = JSON.parse(line)
  expect(existsSync(folder)).toBe(false)
  await until("the child has ended", () => {
    try {
      process.kill(pid, 0)
      return false
    } catch {
      return true
    }
  })
})

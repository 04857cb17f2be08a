import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { openDriver } from "../../src/drivers/open-driver.ts"
import { driverContract } from "./contract.ts"

driverContract("directory", async () => {
  const folder = mkdtempSync(`${tmpdir()}/driver-`)
  const [root, registry] = [`${folder}/root`, `${folder}/registry`]
  await mkdir(root, { mode: 0o755 })
  return {
    root,
    registry,
    open: openDriver({ type: "directory", root, registry }),
    tamper: (path) => {
      const lines = readFileSync(registry, "utf8").split("\n").slice(0, -1)
      const line = lines.findLast((one) => one.includes(`"${path}"`)) ?? "{}"
      const record = { ...JSON.parse(line), quotas: { spaceHard: "1" } }
      writeFileSync(registry, `${[...lines, JSON.stringify(record)].join("\n")}\n`)
    },
    close: () => rmSync(folder, { recursive: true }),
  }
})

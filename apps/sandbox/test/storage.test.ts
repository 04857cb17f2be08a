import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { promisify } from "node:util"
import { expect, onTestFinished, test } from "vitest"
import { installQuotaPrograms, startVast } from "../src/index.ts"

async function vastWithPost() {
  const vast = await startVast()
  onTestFinished(() => vast.close())
  const send = async (method: string, path: string, body?: object) => {
    const headers = { Authorization: `Api-Token ${vast.token}`, "Content-Type": "application/json" }
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    return fetch(`${vast.url}/api/v5/quotas/${path}`, { method, headers, ...sent })
  }
  return { vast, send }
}

test("VAST logs two alarms for each equal pair of limits, and none for a refused quota", async () => {
  const { vast, send } = await vastWithPost()
  const equal = { name: "a", path: "/a", soft_limit: 5, hard_limit: 5 }
  expect((await send("POST", "", { ...equal, soft_limit_inodes: 9, hard_limit_inodes: 1 })).status).toBe(400)
  expect(vast.alarms).toEqual([])
  expect((await send("POST", "", equal)).status).toBe(201)
  expect(vast.alarms).toEqual(["/a", "/a"])
})

test.each([{ hard_limit: 1.5 }, { hard_limit: -1 }, { tenant_id: "7" }])(
  "VAST refuses the value in %o and names its field",
  async (field) => {
    const { vast, send } = await vastWithPost()
    const response = await send("POST", "", { name: "a", path: "/a", ...field })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ detail: `${Object.keys(field)[0]}: a valid integer is required` })
    expect(vast.quotas.size).toBe(0)
  },
)

test("the mock quota programs list no call before the first, and refuse a wrong mount point", async () => {
  const folder = mkdtempSync(`${tmpdir()}/quota-programs-`)
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const programs = installQuotaPrograms(folder, "/mnt")
  expect(programs.calls()).toEqual([])
  const quota = (mount: string) =>
    promisify(execFile)(`${programs.bin}/quota`, ["-P", "-v", "-w", "-p", `--filesystem=${mount}`, "7"])
  expect((await quota("/mnt")).stdout).toContain("project #7")
  await expect(quota("/wrong")).rejects.toMatchObject({ code: 22 })
  expect(programs.calls()).toHaveLength(2)
})

import { mkdir, readFile, writeFile } from "node:fs/promises"
import { basename } from "node:path"
import { run } from "@cscs/harness"

/**
 * The units by path, and the exposure of services at most, in tenths, on systemd's scale from 0 to 100. Of the proxy, the rest is the
 * network and V8's machine code; the provisioner is root, with the capabilities for owners and quotas.
 */
const units: Readonly<Record<string, number>> = {
  "deploy/systemd/storage-proxy.service": 15,
  "deploy/systemd/storage-provisioner.service": 34,
  "deploy/systemd/storage-provisioner-drift.service": 30,
  "deploy/systemd/storage-provisioner-drift.timer": 0,
  "examples/systemd/storage-reconcile.service": 100,
  "examples/systemd/storage-reconcile.timer": 0,
}

/** Runs `systemd-analyze verify` and `security` on the units with this machine's node. Returns systemd's own summaries. */
export const checkUnits = async (workspace: string, scratch: string): Promise<string> => {
  const directory = `${scratch}/units`
  await mkdir(directory)
  for (const path of Object.keys(units)) {
    const text = await readFile(`${workspace}/${path}`, "utf8")
    await writeFile(`${directory}/${basename(path)}`, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
  }
  const summaries: Array<string> = []
  for (const [path, exposure] of Object.entries(units)) {
    summaries.push(await checkUnit(`${directory}/${basename(path)}`, exposure))
  }
  return summaries.join("; ")
}

const checkUnit = async (unit: string, exposure: number): Promise<string> => {
  const complaints = await run("/bin/sh", ["-c", `systemd-analyze verify "${unit}" 2>&1`])
  // It also succeeds if it does not know a setting.
  if (complaints.includes("storage-")) throw new Error(complaints)
  if (!unit.endsWith(".service")) return "verified"
  const flags = ["--offline=yes", `--threshold=${exposure}`, "--no-pager"]
  const report = await run("systemd-analyze", ["security", ...flags, unit])
  return report.match(/Overall exposure.*/)?.[0] ?? "verified"
}

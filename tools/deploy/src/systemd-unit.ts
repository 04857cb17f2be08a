import { mkdir, readFile, writeFile } from "node:fs/promises"
import { basename } from "node:path"
import { run } from "@cscs/harness"

/**
 * The units by path, and their maximum exposure as `--threshold` takes it: ten times systemd's level, so 0 to 100. The rest of the
 * proxy's is due to the network and V8's machine code; the provisioner runs as root, with the capabilities for owners and quotas.
 */
const units: Readonly<Record<string, number>> = {
  "deploy/systemd/storage-proxy.service": 15,
  "deploy/systemd/storage-provisioner.service": 34,
  "deploy/systemd/storage-provisioner-drift.service": 30,
  "deploy/systemd/storage-provisioner-drift.timer": 0,
  "examples/systemd/storage-reconcile.service": 100,
  "examples/systemd/storage-reconcile.timer": 0,
}

/** Runs `systemd-analyze verify` and `security` on the units, with this Node. Returns systemd's summaries. */
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
  const findings = await run("/bin/sh", ["-c", `systemd-analyze verify "${unit}" 2>&1`])
  // It succeeds even if it does not know a setting.
  if (findings.includes("storage-")) throw new Error(findings)
  if (!unit.endsWith(".service")) return "verified"
  const flags = ["--offline=yes", `--threshold=${exposure}`, "--no-pager"]
  const report = await run("systemd-analyze", ["security", ...flags, unit])
  return report.match(/Overall exposure.*/)?.[0] ?? "verified"
}

import { mkdir, readFile, writeFile } from "node:fs/promises"
import { run } from "@cscs/harness"

/**
 * The units, and the exposure of services at most, in tenths, on systemd's scale from 0 to 100. Of the proxy, the rest is the
 * network and V8's machine code; the provisioner is root, with the capabilities for owners and quotas.
 */
const units: Readonly<Record<string, number>> = {
  "storage-proxy.service": 15,
  "storage-provisioner.service": 34,
  "storage-provisioner-drift.service": 30,
  "storage-provisioner-drift.timer": 0,
}

/** Runs `systemd-analyze verify` and `security` on the units with this machine's node. Returns systemd's own summaries. */
export const checkUnits = async (systemdAnalyze: string, workspace: string, scratch: string): Promise<string> => {
  const directory = `${scratch}/units`
  await mkdir(directory)
  for (const name of Object.keys(units)) {
    const text = await readFile(`${workspace}/deploy/systemd/${name}`, "utf8")
    await writeFile(`${directory}/${name}`, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
  }
  const summaries: Array<string> = []
  for (const [name, exposure] of Object.entries(units)) {
    summaries.push(await checkUnit(systemdAnalyze, `${directory}/${name}`, exposure))
  }
  return summaries.join("; ")
}

const checkUnit = async (systemdAnalyze: string, unit: string, exposure: number): Promise<string> => {
  const complaints = await run("/bin/sh", ["-c", `"${systemdAnalyze}" verify "${unit}" 2>&1`])
  // It also succeeds if it does not know a setting.
  if (complaints.includes("storage-pro")) throw new Error(complaints)
  if (!unit.endsWith(".service")) return "verified"
  const report = await run(systemdAnalyze, ["security", "--offline=yes", `--threshold=${exposure}`, "--no-pager", unit])
  return report.match(/Overall exposure.*/)?.[0] ?? "verified"
}

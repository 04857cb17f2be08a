import { mkdir, readFile, writeFile } from "node:fs/promises"
import { run } from "@cscs/harness"

/** In tenths, on systemd's scale from 0 to 100: the rest is the network and V8's machine code. */
const EXPOSURE = 15

/** Runs `systemd-analyze verify` and `security` on the unit with this machine's node. Returns systemd's own summary. */
export const checkUnit = async (systemdAnalyze: string, workspace: string, scratch: string): Promise<string> => {
  const directory = `${scratch}/units`
  await mkdir(directory)
  const unit = `${directory}/storage-proxy.service`
  const text = await readFile(`${workspace}/deploy/systemd/storage-proxy.service`, "utf8")
  await writeFile(unit, text.replace("/opt/storage-proxy/dist/main.js", process.execPath))
  const complaints = await run("/bin/sh", ["-c", `"${systemdAnalyze}" verify "${unit}" 2>&1`])
  // It also succeeds if it does not know a setting.
  if (complaints.includes("storage-proxy.service")) throw new Error(complaints)
  const report = await run(systemdAnalyze, ["security", "--offline=yes", `--threshold=${EXPOSURE}`, "--no-pager", unit])
  return report.match(/Overall exposure.*/)?.[0] ?? "verified"
}

/**
 * `pnpm run check:api`: checks that a running proxy's responses conform to its own /openapi.json, and that none is a 500.
 * Schemathesis sends valid and invalid requests to a real process, once with authentication and once without. Then a linter
 * reads the document, clients are generated from it, and the examples run. Exit code 1 if a step fails, or if a program for
 * it is unavailable.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { cachedFolder, reportedStep, run, sandboxEnvironment, scratchFolder, startProxy } from "@cscs/harness"
import { startSandbox } from "@cscs/sandbox"
import { clientChecks } from "./clients.ts"

const here = join(import.meta.dirname, "..")
const requirements = join(here, "requirements.txt")
// Schemathesis and Hypothesis write their caches to the working directory.
const scratch = scratchFolder("api")

/** The folder with Schemathesis and its dependencies, for this version of Python. */
const packages = async (): Promise<string> => {
  const version = await run("python3", ["-c", "import platform; print(platform.python_version(), end='')"])
  const pinned = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 8)
  // No package may run a build.
  const flags = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
  return cachedFolder(`api-checks/packages-${version}-${pinned}`, (target) =>
    run("python3", ["-m", "pip", "install", ...flags, "--target", target, "--requirement", requirements]),
  )
}

/** Extracts Schemathesis' summary. A run that skipped operations, or sent few requests, fails. */
const summary = (report: string): string => {
  const [, selected, all] = /Selected: (\d+)\/(\d+)/.exec(report) ?? []
  const [, tested] = /Tested: (\d+)/.exec(report) ?? []
  const [requests = ""] = /\b\d+ generated.*/.exec(report) ?? []
  const isWhole = tested !== undefined && tested === all && selected === all && Number.parseInt(requests, 10) > 100
  if (!isWhole) throw new Error(`it did not test everything\n${report}`)
  return `${tested} operations, requests: ${requests}`
}

const pythonPath = await reportedStep("Schemathesis", packages, () => "installed")
for (const authentication of pythonPath === undefined ? [] : [true, false]) {
  await reportedStep(`${authentication ? "with" : "without"} authentication`, async () => {
    const sandbox = await startSandbox({ worldChangesByHand: false })
    const { url } = await startProxy({ environment: sandboxEnvironment(sandbox, authentication), isReady: true })
    const env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PYTHONPATH: pythonPath,
      PYTHONDONTWRITEBYTECODE: "1",
      // Its report contains symbols that not every locale can print.
      PYTHONUTF8: "1",
      API_CHECKS_URL: url,
      API_CHECKS_TOKEN: await sandbox.issuer.issueToken(),
      API_CHECKS_HOOKS: join(here, "hooks.py"),
    }
    const flags = ["--config-file", join(here, "schemathesis.toml"), "run", `${url}/openapi.json`, "--no-color"]
    // Milliseconds; a tenth suffices on an idle machine.
    const options = { cwd: scratch, env, timeout: 900_000 }
    return summary(await run("python3", ["-m", "schemathesis.cli", ...flags], options))
  })
}
if (pythonPath !== undefined) {
  const checks = await clientChecks(scratch, pythonPath)
  for (const [name, check] of Object.entries(checks)) await reportedStep(name, check)
}
// The sandboxes and proxies end with this process.
process.exit()
